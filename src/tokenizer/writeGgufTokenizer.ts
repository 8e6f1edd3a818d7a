import { fail } from '../base/errors.ts'
import type { GgufValue } from '../formats/ggufValue.ts'
import { byteToLetter } from './byteAlphabet.ts'
import { type Piece, pieceTypes, type TokenizerContract } from './contract.ts'
import { splitRules } from './splitPatterns.ts'
import { writeGgufWordpiece } from './writeGgufWordpiece.ts'

/**
 * The `tokenizer.ggml.*` keys of a byte-level BPE or WordPiece contract, for a model of `vocabulary` rows; ids beyond the pieces become
 * unused tokens. Refuses `tokenizer_invalid` for what GGUF files have no key for.
 */
export function writeGgufTokenizer(contract: TokenizerContract, vocabulary: number): Record<string, GgufValue> {
  const { path, kind, pieces, merges, bos, eos, eot, unknown, addBos, addEos } = contract
  if (kind === 'wordpiece') return writeGgufWordpiece(contract, vocabulary)
  if (kind !== 'bpe') {
    fail('tokenizer_invalid', {
      path,
      what: 'GGUF has no keys for all rules of a SentencePiece-style tokenizer.json',
      accepted: 'byte-level BPE or WordPiece, or a GGUF file of this model',
    })
  }
  const texts = Array.from({ length: vocabulary }, (_, id) => textOf(pieces[id], id))
  const rules = Array.from({ length: merges.length / 3 }, (_, rank) => {
    const [left = 0, right = 0] = merges.subarray(3 * rank, 3 * rank + 2)
    return `${texts[left]} ${texts[right]}`
  })
  const types = Int32Array.from({ length: vocabulary }, (_, id) => pieceTypes[pieces[id]?.type ?? 'unused'])
  const ids = { bos_token_id: bos, eos_token_id: eos, eot_token_id: eot, unknown_token_id: unknown }
  const known = Object.entries(ids).filter(([, id]) => id >= 0)
  return {
    'tokenizer.ggml.model': { type: 'string', value: 'gpt2' },
    'tokenizer.ggml.pre': { type: 'string', value: splitName(contract) },
    'tokenizer.ggml.tokens': { type: 'array', of: 'string', value: texts },
    'tokenizer.ggml.token_type': { type: 'array', of: 'int32', value: types },
    'tokenizer.ggml.merges': { type: 'array', of: 'string', value: rules },
    ...Object.fromEntries(known.map(([key, value]) => [`tokenizer.ggml.${key}`, { type: 'uint32', value }])),
    'tokenizer.ggml.add_bos_token': { type: 'bool', value: addBos },
    'tokenizer.ggml.add_eos_token': { type: 'bool', value: addEos },
  }
}

function textOf(piece: Piece | undefined, id: number): string {
  if (!piece || piece.bytes.length === 0) return `[PAD${id}]`
  if (piece.type === 'normal') return Array.from(piece.bytes, (byte) => byteToLetter[byte]).join('')
  return Buffer.from(piece.bytes).toString('utf8')
}

function splitName({ path, splits, wholeWords }: TokenizerContract): string {
  const isPlain = splits.every(({ behaviour, invert }) => behaviour === 'isolated' && !invert)
  const same = (other: readonly string[]) =>
    isPlain && other.length === splits.length && other.every((pattern, i) => pattern === splits[i]!.pattern)
  for (const [name, rule] of splitRules) {
    if (same(rule.splits) && rule.wholeWords === wholeWords) return name
  }
  return fail('tokenizer_invalid', {
    path,
    what: 'GGUF has no name for the patterns that cut its text',
    accepted: `the patterns of ${[...splitRules.keys()].join(', ')}`,
  })
}
