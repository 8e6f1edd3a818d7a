import { isUtf8 } from 'node:buffer'
import { fail } from '../base/errors.ts'
import { mostPieces } from './checkContract.ts'
import { type PieceType, pieceTypes } from './contract.ts'
import { ProtobufFault, type ProtobufField, readProtobuf } from './protobuf.ts'

/** What of a SentencePiece model (sentencepiece_model.proto) decides how text is cut. */
export interface SentencePieceModel {
  readonly pieces: readonly { readonly text: string; readonly score: number; readonly type: PieceType }[]
  /** TrainerSpec.model_type: 1 Unigram, 2 BPE, 3 words, 4 characters. */
  readonly modelType: number
  readonly byteFallback: boolean
  readonly treatWhitespaceAsSuffix: boolean
  /** -1: none. */
  readonly ids: { readonly unknown: number; readonly bos: number; readonly eos: number }
  readonly charsmap: Uint8Array
  readonly addDummyPrefix: boolean
  readonly removeExtraWhitespaces: boolean
  readonly escapeWhitespaces: boolean
}

const accepted = 'a SentencePiece model (tokenizer.model)'
const typeNames = new Map(Object.entries(pieceTypes).map(([name, number]) => [BigInt(number), name as PieceType]))

/** Parses tokenizer.model. Raises tokenizer_invalid. */
export function parseSentencePiece(bytes: Uint8Array, path: string): SentencePieceModel {
  const refuse = (what: string): never => fail('tokenizer_invalid', { path, what, accepted })
  try {
    return parse(bytes, refuse)
  } catch (error) {
    if (error instanceof ProtobufFault) return refuse(`it is no protobuf message: ${error.message}`)
    throw error
  }
}

function parse(bytes: Uint8Array, refuse: (what: string) => never): SentencePieceModel {
  const pieces: SentencePieceModel['pieces'][number][] = []
  let trainer = new Map<number, ProtobufField>()
  let normalizer = new Map<number, ProtobufField>()
  for (const field of readProtobuf(bytes)) {
    if (field.number > 3 || field.wire !== 2) continue
    const message = field.value as Uint8Array
    if (field.number === 2) trainer = lastOf(message)
    else if (field.number === 3) normalizer = lastOf(message)
    else if (pieces.length >= mostPieces) refuse(`it has more than ${mostPieces} pieces`)
    else pieces.push(pieceOf(lastOf(message), pieces.length, refuse))
  }
  const number = (from: ReadonlyMap<number, ProtobufField>, at: number, absent: number): number => {
    const field = from.get(at)
    if (!field) return absent
    if (typeof field.value !== 'bigint') return refuse(`field ${at} of its settings is no number`)
    return Number(BigInt.asIntN(32, field.value))
  }
  const flag = (from: ReadonlyMap<number, ProtobufField>, at: number, absent: boolean) =>
    number(from, at, absent ? 1 : 0) !== 0
  const charsmap = normalizer.get(2)
  if (pieces.length === 0) refuse('it has no pieces')
  return {
    pieces,
    modelType: number(trainer, 3, 1),
    treatWhitespaceAsSuffix: flag(trainer, 24, false),
    byteFallback: flag(trainer, 35, false),
    ids: { unknown: number(trainer, 40, 0), bos: number(trainer, 41, 1), eos: number(trainer, 42, 2) },
    charsmap: charsmap?.wire === 2 ? (charsmap.value as Uint8Array) : new Uint8Array(0),
    addDummyPrefix: flag(normalizer, 3, true),
    removeExtraWhitespaces: flag(normalizer, 4, true),
    escapeWhitespaces: flag(normalizer, 5, true),
  }
}

/** The fields of a message by number; the last of a repeated one. */
function lastOf(message: Uint8Array): Map<number, ProtobufField> {
  return new Map(Array.from(readProtobuf(message), (field) => [field.number, field]))
}

function pieceOf(fields: ReadonlyMap<number, ProtobufField>, id: number, refuse: (what: string) => never) {
  const text = fields.get(1)
  const score = fields.get(2)
  const type = fields.get(3)
  if (text?.wire !== 2 || !isUtf8(text.value as Uint8Array)) return refuse(`piece ${id} has no text`)
  if (score && score.wire !== 5) return refuse(`the score of piece ${id} is no number`)
  const name = typeNames.get(type && typeof type.value === 'bigint' ? type.value : 1n)
  if (!name) return refuse(`piece ${id} has type ${type?.value}`)
  const bytes = score?.value as Uint8Array | undefined
  return {
    text: Buffer.from(text.value as Uint8Array).toString('utf8'),
    score: bytes ? new DataView(bytes.buffer, bytes.byteOffset, 4).getFloat32(0, true) : 0,
    type: name,
  }
}
