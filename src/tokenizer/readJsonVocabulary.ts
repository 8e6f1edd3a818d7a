import type { Json } from '../formats/checkpoint.ts'
import { isJsonObject } from '../formats/parseJson.ts'
import { bytesOfLetters } from './byteAlphabet.ts'
import { mostPieces } from './checkContract.ts'
import type { Piece, PieceType } from './contract.ts'
import type { JsonFields } from './jsonFields.ts'
import type { JsonModel } from './readJsonModel.ts'

/** The vocabulary of a tokenizer.json with its added tokens. */
export interface JsonVocabulary {
  readonly pieces: readonly Piece[]
  /** Spelling in the file to id: the model's own, with the added ones. */
  readonly idOf: ReadonlyMap<string, number>
}

/**
 * Reads the model's vocabulary and `added_tokens`. Ids without a token become unused pieces. `byteLevel`: texts are in the
 * printable alphabet of bytes. Raises tokenizer_invalid.
 */
export function readJsonVocabulary(fields: JsonFields, model: JsonModel, byteLevel: boolean): JsonVocabulary {
  const pieces: (Piece | undefined)[] = []
  const idOf = new Map<string, number>()
  for (const [text, id] of model.vocabulary) {
    const at = checkId(fields, id, text)
    if (pieces[at])
      fields.refuse(`id ${at} is given twice, the second time for ${fields.show(text)}`, 'one token per id')
    pieces[at] = modelPiece(text, byteLevel, model.byteFallback)
    if (!idOf.has(text)) idOf.set(text, at)
  }
  const added = fields.json.added_tokens ?? []
  if (!Array.isArray(added)) return fields.refuse('added_tokens is no list', 'a list of tokens')
  for (const token of added as readonly Json[]) {
    const { id, text, piece } = addedPiece(fields, token, model.unknown)
    const before = idOf.get(text)
    if ((pieces[id] && before !== id) || (before !== undefined && before !== id)) {
      fields.refuse(
        `added token ${fields.show(text)} has id ${id}, which contradicts the vocabulary`,
        'one token per id',
      )
    }
    pieces[id] = piece
    idOf.set(text, id)
  }
  const hole: Piece = { bytes: new Uint8Array(0), type: 'unused' }
  return { pieces: Array.from(pieces, (piece) => piece ?? hole), idOf }
}

function checkId(fields: JsonFields, id: Json | undefined, text: string): number {
  if (typeof id === 'number' && Number.isInteger(id) && id >= 0 && id < mostPieces) return id
  return fields.refuse(`token ${fields.show(text)} has id ${fields.show(id ?? null)}`, `0 to ${mostPieces - 1}`)
}

function modelPiece(text: string, byteLevel: boolean, byteFallback: boolean): Piece {
  if (byteLevel) return { bytes: bytesOfLetters(text) ?? Buffer.from(text), type: 'normal' }
  const digits = byteFallback ? /^<0x([0-9A-F]{2})>$/.exec(text)?.[1] : undefined
  if (digits) return { bytes: Uint8Array.of(Number.parseInt(digits, 16)), type: 'byte' }
  return { bytes: Buffer.from(text), type: 'normal' }
}

function addedPiece(
  fields: JsonFields,
  token: Json,
  unknown: string | undefined,
): { id: number; text: string; piece: Piece } {
  if (!isJsonObject(token) || typeof token.content !== 'string' || token.content === '') {
    return fields.refuse(`added token ${fields.show(token)}`, 'an object with id and content')
  }
  const text = token.content
  const type: PieceType = text === unknown ? 'unknown' : token.special === true ? 'control' : 'user'
  const piece = {
    bytes: Buffer.from(text),
    type,
    stripLeft: token.lstrip === true,
    stripRight: token.rstrip === true,
    singleWord: token.single_word === true,
    normalized: token.normalized === true,
  }
  return { id: checkId(fields, token.id, text), text, piece }
}
