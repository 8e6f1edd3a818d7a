import { bertSplits, bertSteps } from './bertRules.ts'
import { checkContract } from './checkContract.ts'
import { continuation, type Piece, type PieceType, plainContract, type TokenizerContract } from './contract.ts'
import type { GgufKeys } from './ggufKeys.ts'
import { spaceMark } from './spaceMark.ts'

/** Where a file names none: the ids of the published vocabularies. */
const usualIds = { bos: '[CLS]', eos: '[SEP]', unknown: '[UNK]' } as const

/**
 * A `bert` tokenizer of a GGUF file: pieces that begin a word are stored with U+2581 in front, those that go on with one
 * without the ## that they have elsewhere. Raises tokenizer_invalid.
 */
export function readGgufWordpiece(keys: GgufKeys): TokenizerContract {
  const texts = keys.texts('tokens')
  const types = keys.types(texts.length)
  const idOf = (key: string, text: string) => keys.id(key) ?? texts.indexOf(text)
  const bos = keys.id('cls_token_id') ?? idOf('bos_token_id', usualIds.bos)
  // The key is spelled so in the files.
  const eos = keys.id('seperator_token_id') ?? idOf('eos_token_id', usualIds.eos)
  const unknown = idOf('unknown_token_id', usualIds.unknown)
  const special = new Set([bos, eos, keys.id('padding_token_id'), keys.id('mask_token_id')])
  const typeOf = (id: number): PieceType => (id === unknown ? 'unknown' : special.has(id) ? 'control' : types[id]!)
  const common = keys.common(texts, types, eos)
  return checkContract({
    ...plainContract,
    ...common,
    kind: 'wordpiece',
    pieces: texts.map((text, id): Piece => {
      const type = typeOf(id)
      return { bytes: Buffer.from(type === 'normal' ? spelled(text) : text), type }
    }),
    steps: bertSteps({
      cleanText: true,
      spaceIdeographs: true,
      stripAccents: keys.flag('normalizer.strip_accents') ?? true,
      lowercase: keys.flag('normalizer.lowercase') ?? true,
    }),
    splits: bertSplits,
    stripPrefix: true,
    cleanUp: true,
    mostWordCharacters: 100,
    bos,
    eos,
    unknown,
    addBos: keys.flag('add_bos_token') ?? bos >= 0,
    addEos: keys.flag('add_eos_token') ?? eos >= 0,
  })
}

/** A stored piece as WordPiece spells it. Bracketed ones are words of their own. */
function spelled(text: string): string {
  if (text.startsWith(spaceMark)) return text.slice(spaceMark.length)
  return text.startsWith('[') && text.endsWith(']') && text.length > 1 ? text : continuation + text
}
