import { blockRow, type EncodeBlock } from '../dtypeRow.ts'
import { halfToNumber, roundToHalf } from '../halfFloats.ts'
import { type Codebook, wholeNumbers, writeCodes } from './codebook.ts'
import { LineFit, lineError, writeLineCodes } from './fitLine.ts'
import { type Reach, ScaleFit, scaleError } from './fitScale.ts'
import { stretchOf } from './stretch.ts'
import { writeFifthBits, writeHalf, writePairs } from './writeBits.ts'

/** Code `i` of 32 in 16 bytes: the low nibbles are codes 0 .. 15, the high ones 16 .. 31. */
export function pairedNibble(bytes: DataView, at: number, i: number): number {
  return i < 16 ? bytes.getUint8(at + i) & 15 : bytes.getUint8(at + i - 16) >> 4
}

const fifthBit = (bits: number, i: number) => ((bits >>> i) & 1) << 4

/** Blocks of 32 values d · level; `write` lays out d and the codes. */
export function scaleEncoder(
  book: Codebook,
  reach: Reach,
  write: (d: number, codes: Uint8Array, out: Uint8Array, to: number) => void,
): (isSearch: boolean) => EncodeBlock {
  return (isSearch) => {
    const fit = new ScaleFit(book, isSearch ? reach : undefined)
    const codes = new Uint8Array(32)
    return (x, w, out, to) => {
      const scale = fit.fit(x, w, 0, 32)
      const stretch = isSearch ? stretchOf(x, w, scaleError(book, x, w, 0, 32, scale)) : 1
      const d = roundToHalf(scale * stretch)
      writeCodes(book, x, 0, 32, d === 0 ? 0 : 1 / d, codes)
      write(d, codes, out, to)
    }
  }
}

/** Blocks of 32 values d · code + m; `write` lays out the codes behind d and m. */
function lineEncoder(top: number, reach: Reach, write: (codes: Uint8Array, out: Uint8Array, to: number) => void) {
  return (isSearch: boolean): EncodeBlock => {
    const fit = new LineFit(top, true, isSearch ? reach : undefined)
    const codes = new Uint8Array(32)
    const sums = new Float64Array(1)
    return (x, w, out, to) => {
      fit.fit(x, w, 0, 32)
      const error = isSearch ? lineError(x, w, 0, 32, fit.scale, fit.offset, top, sums) : 0
      const stretch = stretchOf(x, w, error)
      const d = roundToHalf(fit.scale * stretch)
      const m = roundToHalf(fit.offset * stretch)
      writeLineCodes(x, 0, 32, d, m, top, codes)
      writeHalf(d, out, to)
      writeHalf(m, out, to + 2)
      write(codes, out, to + 4)
    }
  }
}

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
    // Code -128 is left unused: integer kernels take magnitudes in 8 bits.
    encoder: scaleEncoder(wholeNumbers(-127, 127), { from: 0.96, to: 1.005, steps: 10 }, (d, codes, out, to) => {
      writeHalf(d, out, to)
      for (let i = 0; i < 32; i++) out[to + 2 + i] = codes[i]! - 127
    }),
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
    encoder: scaleEncoder(wholeNumbers(-8, 7), { from: 0.7, to: 1.25, steps: 12 }, (d, codes, out, to) => {
      writeHalf(d, out, to)
      writePairs(codes, 0, out, to + 2)
    }),
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
    encoder: lineEncoder(15, { from: 0.9, to: 1.35, steps: 10 }, (codes, out, to) => writePairs(codes, 0, out, to)),
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
    encoder: scaleEncoder(wholeNumbers(-16, 15), { from: 0.8, to: 1.15, steps: 12 }, (d, codes, out, to) => {
      writeHalf(d, out, to)
      writeFifthBits(codes, out, to + 2)
      writePairs(codes, 0, out, to + 6)
    }),
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
    encoder: lineEncoder(31, { from: 0.95, to: 1.18, steps: 15 }, (codes, out, to) => {
      writeFifthBits(codes, out, to)
      writePairs(codes, 0, out, to + 4)
    }),
  }),
} as const
