import { type CharacterMap, characterMaps, padded } from './characterMaps.ts'

const paddedRow = 1
const firstRow = 2

/** The step tables of a character map (blob.ts). */
export function mapTables(name: CharacterMap): Uint8Array {
  const { set, map } = characterMaps[name]()
  const rowOf = new Map<string, number>()
  const texts: string[] = []
  const rows = new Uint16Array(0x110000)
  for (let i = 0; i < set.length; i += 2) {
    for (let code = set[i]!; code <= set[i + 1]!; code++) {
      const text = map(code)
      if (text === padded) rows[code] = paddedRow
      if (typeof text !== 'string' || text === String.fromCodePoint(code)) continue
      const known = rowOf.get(text) ?? texts.push(text) - 1 + firstRow
      rowOf.set(text, known)
      rows[code] = known
    }
  }
  const { blockOf, values } = blocksOf(rows)
  const bytes = texts.map((text) => Buffer.from(text))
  const starts = new Uint32Array(texts.length + 1)
  bytes.forEach((text, i) => {
    starts[i + 1] = starts[i]! + text.length
  })
  const head = Uint32Array.of(values.length / 256, texts.length, starts[texts.length]!, 0)
  return Buffer.concat([...[head, blockOf, values, starts].map((part) => Buffer.from(part.buffer)), ...bytes])
}

/** A table over all code points in two stages, equal blocks of 256 being one. */
function blocksOf(rows: Uint16Array): { blockOf: Uint16Array; values: Uint16Array } {
  const blockOf = new Uint16Array(0x1100)
  const known = new Map<string, number>()
  const blocks: Uint16Array[] = []
  for (let block = 0; block < blockOf.length; block++) {
    const values = rows.subarray(256 * block, 256 * block + 256)
    const key = values.join()
    const number = known.get(key) ?? blocks.push(values) - 1
    known.set(key, number)
    blockOf[block] = number
  }
  const values = new Uint16Array(256 * blocks.length)
  blocks.forEach((block, i) => {
    values.set(block, 256 * i)
  })
  return { blockOf, values }
}
