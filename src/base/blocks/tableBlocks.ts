import { blockRow } from '../dtypeRow.ts'
import { halfToNumber } from '../halfFloats.ts'
import { pairedNibble } from './plainBlocks.ts'

/** What the codes of iq4_nl and iq4_xs stand for (GGML: kvalues_iq4nl). */
export const iq4Values = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113] as const

/** Twice what the codes of mxfp4 stand for: the values of E2M1 (OCP Microscaling Formats 1.0). */
export const e2m1Doubled = [0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12] as const

/** Half the value of an E8M0 exponent: 2^(byte - 128); NaN for 255. */
export function e8m0Half(byte: number): number {
  return byte === 255 ? Number.NaN : 2 ** (byte - 128)
}

/** Scale `j` of 8 of an iq4_xs block, 0 .. 63 for -32 .. 31: `high` holds two bits of each, byte(i) the low nibbles. */
export function iq4Scale(high: number, byte: (i: number) => number, j: number): number {
  return ((byte(j >> 1) >> (4 * (j & 1))) & 15) | (((high >> (2 * j)) & 3) << 4)
}

/** Blocks whose 4-bit codes index a table (GGML: block_iq4_nl, block_iq4_xs, block_mxfp4). */
export const tableBlocks = {
  // { f16 d; uint8 pair[16] }, value = d * iq4Values[nibble].
  iq4_nl: blockRow({
    gguf: 20,
    elements: 32,
    bytes: 18,
    halves: [0],
    epsilon: 2 ** -3,
    decode(bytes, at, out, to) {
      const d = halfToNumber(bytes.getUint16(at, true))
      for (let i = 0; i < 32; i++) out[to + i] = d * iq4Values[pairedNibble(bytes, at + 2, i)]!
    },
  }),
  // { f16 d; uint16 high; uint8 low[4]; uint8 pair[8][16] }, per 32: value = d * (scale - 32) * iq4Values[nibble].
  iq4_xs: blockRow({
    gguf: 23,
    elements: 256,
    bytes: 136,
    halves: [0],
    epsilon: 2 ** -3,
    decode(bytes, at, out, to) {
      const d = halfToNumber(bytes.getUint16(at, true))
      const byte = (i: number) => bytes.getUint8(at + 4 + i)
      for (let i = 0; i < 256; i++) {
        const scale = iq4Scale(bytes.getUint16(at + 2, true), byte, i >> 5) - 32
        out[to + i] = d * scale * iq4Values[pairedNibble(bytes, at + 8 + 16 * (i >> 5), i & 31)]!
      }
    },
  }),
  // { uint8 e; uint8 pair[16] }, value = 2^(e - 127) * E2M1 value of the nibble.
  mxfp4: blockRow({
    gguf: 39,
    elements: 32,
    bytes: 17,
    halves: [],
    epsilon: 2 ** -1,
    decode(bytes, at, out, to) {
      const half = e8m0Half(bytes.getUint8(at))
      for (let i = 0; i < 32; i++) out[to + i] = half * e2m1Doubled[pairedNibble(bytes, at + 1, i)]!
    },
  }),
} as const
