import { writeJsonTemplate } from '../../tokenizer/writeJsonTemplate.ts'
import type { WordSplit } from './baseVocabulary.ts'

/** Ids of two tokens and of the one that they join to. */
export type Merge = readonly [left: number, right: number, joined: number]

/** What a tokenizer has besides its texts. */
export interface TokenizerParts {
  readonly special: readonly string[]
  /** One of `special`. */
  readonly bos?: string
  readonly merges: readonly Merge[]
  readonly split: WordSplit
}

/** The texts of all ids, in letters of the byte alphabet: those of the base, and of each merge that made one. */
export function grownTexts(base: readonly string[], merges: readonly Merge[]): readonly string[] {
  const texts = [...base]
  for (const [left, right, joined] of merges) if (joined === texts.length) texts.push(texts[left]! + texts[right]!)
  return texts
}

/**
 * A tokenizer.json of a byte-level BPE vocabulary, letter for letter as the Hugging Face tokenizers library saves it. `texts`
 * are by id, those of `special` first; the one called `bos` is set before every text. A pair that was merged twice counts where
 * it was last.
 */
export function tokenizerJson(texts: readonly string[], { special, bos, merges, split }: TokenizerParts): string {
  const before = bos === undefined ? [] : [special.indexOf(bos)]
  const content = {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: special.map((text, id) => ({
      id,
      content: text,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: null,
    pre_tokenizer: preTokenizer(split),
    post_processor: writeJsonTemplate({ before, beforeSecond: before, after: [] }, special),
    decoder: byteLevel(true, true),
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: null,
      merges: lastOfEach(merges).map(([left, right]) => [texts[left], texts[right]]),
    },
  }
  const vocabulary = texts.map((text, id) => `\n      ${JSON.stringify(text)}: ${id}`).join(',')
  // An object would have its keys that are numbers first. Inside a text these quotes are escaped.
  return JSON.stringify(content, null, 2).replace('"vocab": null', () => `"vocab": {${vocabulary}\n    }`)
}

function preTokenizer({ patterns, byteLevel: isByteLevel }: WordSplit) {
  if (isByteLevel) return byteLevel(false, true)
  const splits = patterns.map((pattern) => ({
    type: 'Split',
    pattern: { Regex: pattern },
    behavior: 'Isolated',
    invert: false,
  }))
  return { type: 'Sequence', pretokenizers: [...splits, byteLevel(false, false)] }
}

function byteLevel(addsPrefix: boolean, usesPattern: boolean) {
  return { type: 'ByteLevel', add_prefix_space: addsPrefix, trim_offsets: true, use_regex: usesPattern }
}

function lastOfEach(merges: readonly Merge[]): readonly Merge[] {
  const last = new Map<string, Merge>()
  for (const merge of merges) {
    const key = `${merge[0]} ${merge[1]}`
    last.delete(key)
    last.set(key, merge)
  }
  return [...last.values()]
}
