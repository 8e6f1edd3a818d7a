import type { SplitAutomaton } from './compilePattern.ts'

const replacementCharacter = 0xfffd

/** The sections `splits` and `splitTables` of the blob (blob.ts) for automata in their order. */
export function splitTables(automata: readonly SplitAutomaton[]): { splits: Uint8Array; tables: Uint8Array } {
  const splits = new Uint8Array(40 * automata.length)
  const view = new DataView(splits.buffer)
  const parts: ArrayBufferView[] = []
  let bytes = 0
  const append = (part: ArrayBufferView): bigint => {
    const offset = bytes
    parts.push(part)
    bytes += Math.ceil(part.byteLength / 8) * 8
    return BigInt(offset)
  }
  automata.forEach((automaton, i) => {
    const { blockOf, values, valueAt } = twoStages(automaton.starts, automaton.classOf)
    view.setUint32(40 * i, automaton.classes, true)
    view.setUint32(40 * i + 4, automaton.states, true)
    view.setUint32(40 * i + 8, values.length / 256, true)
    view.setUint32(40 * i + 12, valueAt(replacementCharacter), true)
    view.setBigUint64(40 * i + 16, append(blockOf), true)
    view.setBigUint64(40 * i + 24, append(values), true)
    view.setBigUint64(40 * i + 32, append(automaton.table), true)
  })
  const tables = new Uint8Array(bytes)
  let at = 0
  for (const part of parts) {
    tables.set(new Uint8Array(part.buffer, part.byteOffset, part.byteLength), at)
    at += Math.ceil(part.byteLength / 8) * 8
  }
  return { splits, tables }
}

/** A value for every code point as two tables: `values[256 * blockOf[code >> 8] + (code & 255)]`. Equal blocks are one. */
export function twoStages(starts: readonly number[], valuesOf: readonly number[]) {
  const all = new Uint8Array(0x110000)
  starts.forEach((start, i) => {
    all.fill(valuesOf[i]!, start, starts[i + 1] ?? all.length)
  })
  const blockOf = new Uint16Array(0x1100)
  const known = new Map<string, number>()
  const blocks: Uint8Array[] = []
  for (let block = 0; block < blockOf.length; block++) {
    const values = all.subarray(256 * block, 256 * block + 256)
    const key = Buffer.from(values).toString('latin1')
    let number = known.get(key)
    if (number === undefined) {
      number = blocks.push(values) - 1
      known.set(key, number)
    }
    blockOf[block] = number
  }
  const values = new Uint8Array(256 * blocks.length)
  blocks.forEach((block, i) => {
    values.set(block, 256 * i)
  })
  return { blockOf, values, valueAt: (code: number) => all[code]! }
}
