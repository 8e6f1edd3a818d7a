import { existsSync } from 'node:fs'
import { fail } from '../../base/errors.ts'
import { type ByteSource, openFile } from '../../formats/byteSource.ts'
import type { Json } from '../../formats/checkpoint.ts'
import { asJsonObject, describeJson, readJson } from '../../formats/parseJson.ts'
import type { Document } from './document.ts'
import { TokenFile } from './tokenFile.ts'
import { readTokenHeader, tokenMagic } from './tokenFormat.ts'

interface IdsInput {
  readonly path: string
  readonly name: string
}
interface IdsOptions {
  readonly longest: number
}

/** What stands beside a file of bare ids, as `NAME.bin.json`. */
export interface Sidecar {
  readonly dtype: 'u16' | 'u32'
  readonly vocabulary: number
  /** The id that ends every document and belongs to it; absent: the ids run on. */
  readonly separator?: number
}

/** Whether a file begins as token files of `ck data prepare` do. */
export function hasTokenMagic(source: ByteSource): boolean {
  const begin = Buffer.alloc(Math.min(tokenMagic.length, source.size))
  source.read(0, begin)
  return begin.toString('latin1') === tokenMagic
}

/** Files that `ck data prepare` wrote. */
export const readPreparedIds = {
  vocabulary: (source: ByteSource): number => readTokenHeader(source).vocabulary,

  *documents({ path, name }: IdsInput, { longest }: IdsOptions): Generator<Document, void, undefined> {
    const file = TokenFile.open(path)
    try {
      const { idBytes, hasLossBits } = file.header
      for (const { start, tokens } of file.documents()) {
        const place = { path, name, unit: 'token', at: start } as const
        if (tokens * idBytes > longest) {
          yield { kind: 'long', place, bytes: tokens * idBytes }
          continue
        }
        const { ids, loss } = file.read(start, tokens)
        yield { kind: 'ids', place, ids, idBytes, isRunning: false, ...(hasLossBits ? { loss } : {}) }
      }
    } finally {
      file.close()
    }
  },
} as const

/** Reads what stands beside a file of bare ids. Refuses `file_missing`, `file_malformed`. */
export function sidecarOf(path: string): Sidecar {
  const beside = `${path}.json`
  if (!existsSync(beside)) {
    const accepted = `a token file of ck data prepare, or ${beside} with {"dtype": "u16", "vocabulary": 50257}`
    fail('file_malformed', { path, what: 'bare ids, and nothing says of which type', accepted })
  }
  const source = openFile(beside)
  try {
    const { dtype, vocabulary, separator } = asJsonObject(beside, readJson(source, 2 ** 20), 'the file')
    const whole = (key: string, value: Json | undefined, least: number, most: number) => {
      if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value
      const accepted = `a whole number from ${least} to ${most}`
      return fail('file_malformed', { path: beside, what: `'${key}' is ${describeJson(value)}`, accepted })
    }
    if (dtype !== 'u16' && dtype !== 'u32') {
      return fail('file_malformed', { path: beside, what: `'dtype' is ${describeJson(dtype)}`, accepted: 'u16, u32' })
    }
    const ids = whole('vocabulary', vocabulary, 1, 2 ** 31 - 1)
    const end = separator === undefined ? {} : { separator: whole('separator', separator, 0, ids - 1) }
    return { dtype, vocabulary: ids, ...end }
  } finally {
    source.close()
  }
}

const pieceIds = 2 ** 20

/** Bare little-endian ids with what stands beside them. */
export function* readPlainIds({ path, name }: IdsInput, { longest }: IdsOptions): Generator<Document, void, undefined> {
  const { dtype, vocabulary, separator } = sidecarOf(path)
  const source = openFile(path)
  try {
    const idBytes = dtype === 'u16' ? 2 : 4
    if (source.size % idBytes !== 0) {
      const what = `the file has ${source.size} bytes`
      fail('file_malformed', { path, what, accepted: `a multiple of ${idBytes}, the bytes of an id` })
    }
    const total = source.size / idBytes
    const isRunning = separator === undefined
    let begin = 0
    let held: Int32Array[] = []
    const end = (at: number): Document => {
      const place = { path, name, unit: 'token', at: begin } as const
      const bytes = (at - begin) * idBytes
      const isLong = bytes > longest
      const ids = isLong ? undefined : joined(held)
      begin = at
      held = []
      return ids ? { kind: 'ids', place, ids, idBytes, isRunning } : { kind: 'long', place, bytes }
    }
    const hold = (ids: Int32Array, at: number) => {
      if ((at + ids.length - begin) * idBytes <= longest) held.push(ids)
    }
    for (let from = 0; from < total; from += pieceIds) {
      const ids = readIds(source, from, Math.min(pieceIds, total - from), idBytes, vocabulary)
      let taken = 0
      for (let i = 0; i < ids.length && separator !== undefined; i++) {
        if (ids[i] !== separator) continue
        hold(ids.subarray(taken, i + 1), from + taken)
        taken = i + 1
        yield end(from + taken)
      }
      if (taken < ids.length) hold(ids.subarray(taken), from + taken)
    }
    if (begin < total) yield end(total)
  } finally {
    source.close()
  }
}

function readIds(source: ByteSource, from: number, count: number, idBytes: number, vocabulary: number): Int32Array {
  const bytes = Buffer.alloc(count * idBytes)
  source.read(from * idBytes, bytes)
  const ids = new Int32Array(count)
  for (let i = 0; i < count; i++) {
    const id = idBytes === 2 ? bytes.readUInt16LE(2 * i) : bytes.readUInt32LE(4 * i)
    if (id >= vocabulary) {
      const accepted = `ids from 0 to ${vocabulary - 1}, as ${source.path}.json says`
      fail('file_malformed', { path: source.path, at: (from + i) * idBytes, what: `token id ${id}`, accepted })
    }
    ids[i] = id
  }
  return ids
}

function joined(pieces: readonly Int32Array[]): Int32Array {
  const out = new Int32Array(pieces.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const piece of pieces) {
    out.set(piece, at)
    at += piece.length
  }
  return out
}
