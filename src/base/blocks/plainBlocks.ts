import { blockRow } from '../dtypeRow.ts'
import { halfToNumber } from '../halfFloats.ts'

/** Code `i` of 32 in 16 bytes: the low nibbles are codes 0 .. 15, the high ones 16 .. 31. */
export function pairedNibble(bytes: DataView, at: number, i: number): number {
  return i < 16 ? bytes.getUint8(at + i) & 15 : bytes.getUint8(at + i - 16) >> 4
}

const fifthBit = (bits: number, i: number) => ((bits >>> i) & 1) << 4

/** Blocks of 32 with one binary16 scale `d`, and in `_1` formats a binary16 offset `m` (GGML: block_q8_0 and others). */
export const plainBlocks = {
  // { f16 d; int8 code[32] }, value = d * code.
  q8_0: blockRow({
    gguf: 8,
    elements: 32,
    bytes: 34,
    halves: [0],
    epsilon: 2 ** -7,
    decode(bytes, at, out, to) {
      const d = halfToNumber(bytes.getUint16(at, true))
      for (let i = 0; i < 32; i++) out[to + i] = d * bytes.getInt8(at + 2 + i)
    },
  }),
  // { f16 d; uint8 pair[16] }, value = d * (nibble - 8).
  q4_0: blockRow({
    gguf: 2,
    elements: 32,
    bytes: 18,
    halves: [0],
    epsilon: 2 ** -3,
    decode(bytes, at, out, to) {
      const d = halfToNumber(bytes.getUint16(at, true))
      for (let i = 0; i < 32; i++) out[to + i] = d * (pairedNibble(bytes, at + 2, i) - 8)
    },
  }),
  // { f16 d, m; uint8 pair[16] }, value = d * nibble + m.
  q4_1: blockRow({
    gguf: 3,
    elements: 32,
    bytes: 20,
    halves: [0, 2],
    epsilon: 2 ** -3,
    decode(bytes, at, out, to) {
      const d = halfToNumber(bytes.getUint16(at, true))
      const m = halfToNumber(bytes.getUint16(at + 2, true))
      for (let i = 0; i < 32; i++) out[to + i] = d * pairedNibble(bytes, at + 4, i) + m
    },
  }),
  // { f16 d; uint32 fifth; uint8 pair[16] }, value = d * (nibble + 16 * bit i of fifth - 16).
  q5_0: blockRow({
    gguf: 6,
    elements: 32,
    bytes: 22,
    halves: [0],
    epsilon: 2 ** -4,
    decode(bytes, at, out, to) {
      const d = halfToNumber(bytes.getUint16(at, true))
      const fifth = bytes.getUint32(at + 2, true)
      for (let i = 0; i < 32; i++) out[to + i] = d * (pairedNibble(bytes, at + 6, i) + fifthBit(fifth, i) - 16)
    },
  }),
  // { f16 d, m; uint32 fifth; uint8 pair[16] }, value = d * (nibble + 16 * bit i of fifth) + m.
  q5_1: blockRow({
    gguf: 7,
    elements: 32,
    bytes: 24,
    halves: [0, 2],
    epsilon: 2 ** -4,
    decode(bytes, at, out, to) {
      const d = halfToNumber(bytes.getUint16(at, true))
      const m = halfToNumber(bytes.getUint16(at + 2, true))
      const fifth = bytes.getUint32(at + 4, true)
      for (let i = 0; i < 32; i++) out[to + i] = d * (pairedNibble(bytes, at + 8, i) + fifthBit(fifth, i)) + m
    },
  }),
} as const
