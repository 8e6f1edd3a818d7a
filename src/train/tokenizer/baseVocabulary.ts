import { bytesOfLetters, byteToLetter } from '../../tokenizer/byteAlphabet.ts'
import { checkContract } from '../../tokenizer/checkContract.ts'
import { isolate, type Piece, plainContract, type TokenizerContract } from '../../tokenizer/contract.ts'
import { gpt2Pattern, splitRules } from '../../tokenizer/splitPatterns.ts'

/** How text is cut into words: the rule's patterns one after the other; `byteLevel`: the one that a ByteLevel step has. */
export interface WordSplit {
  readonly patterns: readonly string[]
  readonly byteLevel: boolean
}

/** The names of rules that `wordSplit` knows. */
export const splitNames: readonly string[] = ['gpt2', ...splitRules.keys()]

/**
 * The split of a name, or the pattern itself where the text cannot be a name; undefined for an unknown name, which is
 * letters, digits, `.`, `_` and `-` only.
 */
export function wordSplit(text: string): WordSplit | undefined {
  const patterns = text === 'gpt2' ? [gpt2Pattern] : splitRules.get(text)?.splits
  if (patterns) return { patterns, byteLevel: patterns.length === 1 && patterns[0] === gpt2Pattern }
  return /^[\w.-]*$/.test(text) ? undefined : { patterns: [text], byteLevel: false }
}

/** What a vocabulary begins with: the special tokens, then the letters of the byte alphabet by code point. */
export function baseTexts(special: readonly string[]): readonly string[] {
  return [...special, ...byteToLetter.toSorted((a, b) => a.charCodeAt(0) - b.charCodeAt(0))]
}

/**
 * The tokenizer that the trainer starts from: it cuts words and has an id for each byte. A special token that is spelt in
 * the byte alphabet can come up as a merge and is of type control, with the bytes that it spells; any other is of type
 * user. Raises tokenizer_invalid for a pattern that cannot be compiled.
 */
export function baseContract(
  texts: readonly string[],
  special: ReadonlySet<string>,
  split: WordSplit,
): TokenizerContract {
  const pieces = texts.map((text): Piece => {
    const bytes = bytesOfLetters(text)
    if (!bytes) return { bytes: Buffer.from(text), type: 'user' }
    return { bytes, type: special.has(text) ? 'control' : 'normal' }
  })
  return checkContract({
    ...plainContract,
    path: '--split',
    kind: 'bpe',
    pieces,
    splits: split.patterns.map(isolate),
    bos: -1,
    eos: -1,
    unknown: -1,
    addBos: false,
    addEos: false,
    ends: [],
  })
}
