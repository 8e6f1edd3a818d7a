import { fail } from '../base/errors.ts'
import { printable } from '../formats/names.ts'
import type { Piece, TokenizerContract } from './contract.ts'
import { normalizeText } from './normalizeText.ts'

/** Finds special tokens in text, one byte a step. `table[node * classes + class]` is the next node; 0: none; 1: root. */
export interface SpecialTable {
  readonly classes: number
  readonly nodes: number
  readonly classOf: Uint8Array
  readonly table: Uint32Array
  /** Id that ends at a node, or -1. */
  readonly ids: Int32Array
}

/** A trie over the texts; of equal texts the first stays. Bytes that occur in none share class 0. */
export function specialTable(tokens: readonly { readonly id: number; readonly bytes: Uint8Array }[]): SpecialTable {
  const used = [...new Set(tokens.flatMap(({ bytes }) => [...bytes]))].sort((a, b) => a - b)
  // 255 classes of bytes and the class of all others do not fit where every byte is used; then class 0 is one of them.
  const first = used.length === 256 ? 0 : 1
  const classOf = new Uint8Array(256)
  used.forEach((byte, i) => {
    classOf[byte] = i + first
  })
  const classes = used.length + first
  const rows: Uint32Array[] = [new Uint32Array(classes), new Uint32Array(classes)]
  const ids = [-1, -1]
  for (const { id, bytes } of tokens) {
    let node = 1
    for (const byte of bytes) {
      const row = rows[node]!
      const c = classOf[byte]!
      if (row[c] === 0) {
        row[c] = rows.push(new Uint32Array(classes)) - 1
        ids.push(-1)
      }
      node = row[c]!
    }
    if (ids[node] === -1 && node !== 1) ids[node] = id
  }
  const table = new Uint32Array(rows.length * classes)
  rows.forEach((row, node) => {
    table.set(row, node * classes)
  })
  return { classes, nodes: rows.length, classOf, table, ids: Int32Array.from(ids) }
}

/** The blob's sections of special tokens: those looked for in raw text, then those looked for in normalised text. */
export function specialTables(contract: TokenizerContract) {
  const isSpecial = ({ type, bytes }: Piece) =>
    (type === 'control' || type === 'user' || type === 'unknown') && bytes.length > 0
  const found = contract.pieces.flatMap((piece, id) => (isSpecial(piece) ? [{ piece, id }] : []))
  const isLate = (piece: Piece) => piece.normalized === true && contract.steps.length > 0
  const raw = specialTable(found.flatMap(({ piece, id }) => (isLate(piece) ? [] : [{ id, bytes: piece.bytes }])))
  const late = specialTable(
    found.flatMap(({ piece, id }) => (isLate(piece) ? [{ id, bytes: normalized(contract, piece) }] : [])),
  )
  return {
    classes: [raw.classes, late.classes] as const,
    nodes: [raw.nodes, late.nodes] as const,
    classOf: Buffer.concat([raw.classOf, late.classOf]),
    table: Buffer.concat([bytesOf(raw.table), bytesOf(late.table)]),
    ids: Buffer.concat([bytesOf(raw.ids), bytesOf(late.ids)]),
  }
}

function normalized({ path, steps }: TokenizerContract, { bytes }: Piece): Uint8Array {
  const text = Buffer.from(bytes).toString('utf8')
  const after = normalizeText(text, steps, path)
  if (after !== '') return Buffer.from(after)
  const what = `nothing is left of added token ${printable(JSON.stringify(text))} when it is normalised`
  return fail('tokenizer_invalid', { path, what, accepted: 'added tokens with a text of their own' })
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Uint32Array | Int32Array) =>
  new Uint8Array(buffer, byteOffset, byteLength)
