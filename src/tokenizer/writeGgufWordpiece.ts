import { fail } from '../base/errors.ts'
import type { GgufValue } from '../formats/ggufValue.ts'
import { bertSplits, bertSteps } from './bertRules.ts'
import { continuation, type Piece, pieceTypes, type TokenizerContract } from './contract.ts'
import { spaceMark } from './spaceMark.ts'

/**
 * The `tokenizer.ggml.*` keys of a WordPiece contract, for a model of `vocabulary` rows; `readGgufWordpiece` reads them
 * again. Refuses `tokenizer_invalid` for words or normalising that are not BERT's.
 */
export function writeGgufWordpiece(contract: TokenizerContract, vocabulary: number): Record<string, GgufValue> {
  const { pieces, bos, eos, unknown, addBos, addEos } = contract
  const { lowercase, stripAccents } = bertRulesOf(contract)
  const texts = Array.from({ length: vocabulary }, (_, id) => storedText(pieces[id], id))
  const types = Int32Array.from({ length: vocabulary }, (_, id) => pieceTypes[pieces[id]?.type ?? 'unused'])
  const ids = {
    bos_token_id: bos,
    cls_token_id: bos,
    eos_token_id: eos,
    seperator_token_id: eos,
    unknown_token_id: unknown,
  }
  const known = Object.entries(ids).filter(([, id]) => id >= 0)
  const flags = {
    add_bos_token: addBos,
    add_eos_token: addEos,
    'normalizer.lowercase': lowercase,
    'normalizer.strip_accents': stripAccents,
  }
  return {
    'tokenizer.ggml.model': { type: 'string', value: 'bert' },
    'tokenizer.ggml.tokens': { type: 'array', of: 'string', value: texts },
    'tokenizer.ggml.token_type': { type: 'array', of: 'int32', value: types },
    ...Object.fromEntries(known.map(([key, value]) => [`tokenizer.ggml.${key}`, { type: 'uint32', value }])),
    ...Object.fromEntries(
      Object.entries(flags).map(([key, value]) => [`tokenizer.ggml.${key}`, { type: 'bool', value }]),
    ),
  }
}

/** How BERT's normalising is asked for in a contract; refuses `tokenizer_invalid` for other words or normalising than BERT's. */
export function bertRulesOf(contract: TokenizerContract): {
  readonly lowercase: boolean
  readonly stripAccents: boolean
} {
  const { path, steps, splits, mostWordCharacters } = contract
  const same = (one: unknown, other: unknown) => JSON.stringify(one) === JSON.stringify(other)
  for (const lowercase of [true, false]) {
    for (const stripAccents of [true, false]) {
      const asked = bertSteps({ cleanText: true, spaceIdeographs: true, stripAccents, lowercase })
      if (same(steps, asked) && same(splits, bertSplits) && mostWordCharacters === 100)
        return { lowercase, stripAccents }
    }
  }
  return fail('tokenizer_invalid', {
    path,
    what: 'GGUF has no key for how it normalises text or cuts it into words',
    accepted: "WordPiece with BERT's words of at most 100 characters, or a GGUF file of this model",
  })
}

function storedText(piece: Piece | undefined, id: number): string {
  if (!piece || piece.bytes.length === 0) return `[PAD${id}]`
  const text = Buffer.from(piece.bytes).toString('utf8')
  if (piece.type !== 'normal' || (text.startsWith('[') && text.endsWith(']') && text.length > 1)) return text
  return text.startsWith(continuation) ? text.slice(continuation.length) : spaceMark + text
}
