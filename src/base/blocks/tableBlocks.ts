import { blockRow } from '../dtypeRow.ts'
import { halfToNumber } from '../halfFloats.ts'
import { codebook, writeCodes } from './codebook.ts'
import { scaleError } from './fitScale.ts'
import { pairedNibble, scaleEncoder } from './plainBlocks.ts'
import { ScaleGroups, type ScaleGroupsShape } from './scaleGroups.ts'
import { writeHalf, writePairs } from './writeBits.ts'

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

const iq4Book = codebook(iq4Values)
const iq4Reach = { from: 0.7, to: 1.3, steps: 12 }
const iq4Shape: ScaleGroupsShape = {
  book: iq4Book,
  groups: 8,
  count: 32,
  lowestScale: -32,
  highestScale: 31,
  reach: iq4Reach,
}
const e2m1Book = codebook(e2m1Doubled)

/** The E8M0 exponent with the least error near the one that maps the largest magnitude into the top binade. */
function fitExponent(x: Float64Array, w: Float64Array, isSearch: boolean): number {
  let largest = 0
  for (const value of x) largest = Math.max(largest, Math.abs(value))
  if (largest === 0) return 0
  // The smallest exponent that clips nothing.
  let highest = Math.min(254, Math.max(0, Math.floor(Math.log2(largest)) + 124))
  while (highest < 254 && e8m0Half(highest) * e2m1Book.highest < largest) highest++
  let best = highest
  let least = Number.POSITIVE_INFINITY
  // Saturating the largest values can leave less error than coarser steps for all the others.
  for (let e = highest; e >= Math.max(0, highest - (isSearch ? 2 : 1)); e--) {
    const error = scaleError(e2m1Book, x, w, 0, 32, e8m0Half(e))
    if (error < least) {
      least = error
      best = e
    }
  }
  return best
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
    encoder: scaleEncoder(iq4Book, iq4Reach, (d, codes, out, to) => {
      writeHalf(d, out, to)
      writePairs(codes, 0, out, to + 2)
    }),
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
    encoder(isSearch) {
      const fit = new ScaleGroups(iq4Shape, isSearch)
      return (x, w, out, to) => {
        fit.fit(x, w)
        writeHalf(fit.d, out, to)
        out.fill(0, to + 2, to + 8)
        for (let j = 0; j < 8; j++) {
          const scale = fit.scales[j]! + 32
          out[to + 2 + (j >> 2)]! |= (scale >> 4) << (2 * (j & 3))
          out[to + 4 + (j >> 1)]! |= (scale & 15) << (4 * (j & 1))
          writePairs(fit.codes, 32 * j, out, to + 8 + 16 * j)
        }
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
    encoder(isSearch) {
      const codes = new Uint8Array(32)
      return (x, w, out, to) => {
        const exponent = fitExponent(x, w, isSearch)
        writeCodes(e2m1Book, x, 0, 32, 1 / e8m0Half(exponent), codes)
        out[to] = exponent
        writePairs(codes, 0, out, to + 1)
      }
    },
  }),
} as const
