import type { SplitAutomaton } from './compilePattern.ts'
import { type Split, splitBehaviours } from './contract.ts'

const replacementCharacter = 0xfffd

const rowBytes = 48
const inverted = 8

/**
 * The sections `automata` and `automatonTables` of the blob (blob.ts). The first automata are those of `splits`, in order.
 */
export function splitTables(
  automata: readonly SplitAutomaton[],
  splits: readonly Split[],
): { rows: Uint8Array; tables: Uint8Array } {
  const rows = new Uint8Array(rowBytes * automata.length)
  const view = new DataView(rows.buffer)
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
    view.setUint32(rowBytes * i, automaton.classes, true)
    view.setUint32(rowBytes * i + 4, automaton.states, true)
    view.setUint32(rowBytes * i + 8, values.length / 256, true)
    view.setUint32(rowBytes * i + 12, valueAt(replacementCharacter), true)
    view.setUint32(rowBytes * i + 16, behaviourOf(splits[i]), true)
    view.setBigUint64(rowBytes * i + 24, append(blockOf), true)
    view.setBigUint64(rowBytes * i + 32, append(values), true)
    view.setBigUint64(rowBytes * i + 40, append(automaton.table), true)
  })
  const tables = new Uint8Array(bytes)
  let at = 0
  for (const part of parts) {
    tables.set(new Uint8Array(part.buffer, part.byteOffset, part.byteLength), at)
    at += Math.ceil(part.byteLength / 8) * 8
  }
  return { rows, tables }
}

function behaviourOf(split: Split | undefined): number {
  return split ? splitBehaviours.indexOf(split.behaviour) + (split.invert ? inverted : 0) : 0
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
