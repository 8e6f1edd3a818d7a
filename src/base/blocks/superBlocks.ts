import { blockRow } from '../dtypeRow.ts'
import { halfToNumber } from '../halfFloats.ts'
import { wholeNumbers } from './codebook.ts'
import { LineGroups, type LineGroupsShape } from './lineGroups.ts'
import { ScaleGroups, type ScaleGroupsShape } from './scaleGroups.ts'
import { writeFours, writeHalf, writeNibbles, writePlane } from './writeBits.ts'

/** Scale `j` of 16 of a q3_K block, 0 .. 63 for -32 .. 31: 12 bytes hold the low nibbles, then two high bits of each. */
export function q3Scale(byte: (i: number) => number, j: number): number {
  const low = j < 8 ? byte(j) & 15 : byte(j - 8) >> 4
  return low | (((byte(8 + (j & 3)) >> (2 * (j >> 2))) & 3) << 4)
}

/** Scale (`which` 0) or min (`which` 1) `j` of 8 of a q4_K or q5_K block, 0 .. 63, from its 12 bytes. */
export function q4Scale(byte: (i: number) => number, which: 0 | 1, j: number): number {
  if (j < 4) return byte(4 * which + j) & 63
  const low = which === 0 ? byte(4 + j) & 15 : byte(4 + j) >> 4
  return low | ((byte(4 * which + j - 4) >> 6) << 4)
}

/** Inverse of q3Scale: 16 numbers 0 .. 63 to 12 bytes. */
function writeQ3Scales(scales: Int32Array, out: Uint8Array, to: number): void {
  out.fill(0, to, to + 12)
  for (let j = 0; j < 16; j++) {
    const scale = scales[j]! + 32
    out[to + (j & 7)]! |= (scale & 15) << (4 * (j >> 3))
    out[to + 8 + (j & 3)]! |= (scale >> 4) << (2 * (j >> 2))
  }
}

/** Inverse of q4Scale: 8 scales and 8 mins 0 .. 63 to 12 bytes. */
function writeQ4Scales(scales: Int32Array, mins: Int32Array, out: Uint8Array, to: number): void {
  for (let j = 0; j < 4; j++) {
    const high = scales[j + 4]!
    const highMin = mins[j + 4]!
    out[to + j] = scales[j]! | ((high >> 4) << 6)
    out[to + 4 + j] = mins[j]! | ((highMin >> 4) << 6)
    out[to + 8 + j] = (high & 15) | ((highMin & 15) << 4)
  }
}

const q2Shape: LineGroupsShape = {
  groups: 16,
  count: 16,
  topCode: 3,
  topScale: 15,
  reach: { from: 0.6, to: 1.6, steps: 9 },
}
const q3Shape: ScaleGroupsShape = {
  book: wholeNumbers(-4, 3),
  groups: 16,
  count: 16,
  lowestScale: -32,
  highestScale: 31,
  reach: { from: 0.6, to: 1.4, steps: 12 },
}
const q4Shape: LineGroupsShape = {
  groups: 8,
  count: 32,
  topCode: 15,
  topScale: 63,
  reach: { from: 0.9, to: 1.35, steps: 10 },
}
const q5Shape: LineGroupsShape = { ...q4Shape, topCode: 31, reach: { from: 0.94, to: 1.18, steps: 9 } }
const q6Shape: ScaleGroupsShape = {
  book: wholeNumbers(-32, 31),
  groups: 16,
  count: 16,
  lowestScale: -128,
  highestScale: 127,
  reach: { from: 0.85, to: 1.05, steps: 8 },
}

/** Blocks of 256 in which small integers scale 16 or 32 values each (GGML: block_q2_K and others). */
export const superBlocks = {
  // { uint8 scale_min[16]; uint8 four[64]; f16 d, dmin }, per 16: value = d * low nibble * code - dmin * high nibble.
  // Byte 32h + i of `four` holds the codes 128h + i + 32n, n = 0 .. 3, from its low bits up.
  q2_K: blockRow({
    gguf: 10,
    elements: 256,
    bytes: 84,
    halves: [80, 82],
    epsilon: 2 ** -1,
    decode(bytes, at, out, to) {
      const d = halfToNumber(bytes.getUint16(at + 80, true))
      const dmin = halfToNumber(bytes.getUint16(at + 82, true))
      for (let i = 0; i < 256; i++) {
        const scales = bytes.getUint8(at + (i >> 4))
        const code = (bytes.getUint8(at + 16 + 32 * (i >> 7) + (i & 31)) >> (2 * ((i >> 5) & 3))) & 3
        out[to + i] = d * (scales & 15) * code - dmin * (scales >> 4)
      }
    },
    encoder(isSearch) {
      const fit = new LineGroups(q2Shape, isSearch)
      return (x, w, out, to) => {
        fit.fit(x, w)
        for (let j = 0; j < 16; j++) out[to + j] = fit.scales[j]! | (fit.mins[j]! << 4)
        writeFours(fit.codes, 0, out, to + 16)
        writeHalf(fit.d, out, to + 80)
        writeHalf(fit.dmin, out, to + 82)
      }
    },
  }),
  // { uint8 third[32]; uint8 four[64]; uint8 scale[12]; f16 d }, per 16: value = d * (scale - 32) * (code - 4); the third
  // bit of code i is bit i / 32 of byte i % 32, the others as in q2_K.
  q3_K: blockRow({
    gguf: 11,
    elements: 256,
    bytes: 110,
    halves: [108],
    epsilon: 2 ** -2,
    decode(bytes, at, out, to) {
      const d = halfToNumber(bytes.getUint16(at + 108, true))
      const byte = (i: number) => bytes.getUint8(at + 96 + i)
      for (let i = 0; i < 256; i++) {
        const low = (bytes.getUint8(at + 32 + 32 * (i >> 7) + (i & 31)) >> (2 * ((i >> 5) & 3))) & 3
        const third = (bytes.getUint8(at + (i & 31)) >> (i >> 5)) & 1
        out[to + i] = d * (q3Scale(byte, i >> 4) - 32) * (low + 4 * third - 4)
      }
    },
    encoder(isSearch) {
      const fit = new ScaleGroups(q3Shape, isSearch)
      return (x, w, out, to) => {
        fit.fit(x, w)
        writePlane(fit.codes, 2, out, to)
        writeFours(fit.codes, 0, out, to + 32)
        writeQ3Scales(fit.scales, out, to + 96)
        writeHalf(fit.d, out, to + 108)
      }
    },
  }),
  // { f16 d, dmin; uint8 scale_min[12]; uint8 pair[128] }, per 32: value = d * scale * code - dmin * min. Byte 32c + i of
  // `pair` holds codes 64c + i and 64c + 32 + i.
  q4_K: blockRow({
    gguf: 12,
    elements: 256,
    bytes: 144,
    halves: [0, 2],
    epsilon: 2 ** -3,
    decode(bytes, at, out, to) {
      const d = halfToNumber(bytes.getUint16(at, true))
      const dmin = halfToNumber(bytes.getUint16(at + 2, true))
      const byte = (i: number) => bytes.getUint8(at + 4 + i)
      for (let i = 0; i < 256; i++) {
        const code = (bytes.getUint8(at + 16 + 32 * (i >> 6) + (i & 31)) >> (4 * ((i >> 5) & 1))) & 15
        out[to + i] = d * q4Scale(byte, 0, i >> 5) * code - dmin * q4Scale(byte, 1, i >> 5)
      }
    },
    encoder(isSearch) {
      const fit = new LineGroups(q4Shape, isSearch)
      return (x, w, out, to) => {
        fit.fit(x, w)
        writeHalf(fit.d, out, to)
        writeHalf(fit.dmin, out, to + 2)
        writeQ4Scales(fit.scales, fit.mins, out, to + 4)
        writeNibbles(fit.codes, 32, out, to + 16)
      }
    },
  }),
  // As q4_K, with uint8 fifth[32] before `pair`: the fifth bit of code i is bit i / 32 of byte i % 32.
  q5_K: blockRow({
    gguf: 13,
    elements: 256,
    bytes: 176,
    halves: [0, 2],
    epsilon: 2 ** -4,
    decode(bytes, at, out, to) {
      const d = halfToNumber(bytes.getUint16(at, true))
      const dmin = halfToNumber(bytes.getUint16(at + 2, true))
      const byte = (i: number) => bytes.getUint8(at + 4 + i)
      for (let i = 0; i < 256; i++) {
        const low = (bytes.getUint8(at + 48 + 32 * (i >> 6) + (i & 31)) >> (4 * ((i >> 5) & 1))) & 15
        const fifth = (bytes.getUint8(at + 16 + (i & 31)) >> (i >> 5)) & 1
        out[to + i] = d * q4Scale(byte, 0, i >> 5) * (low + 16 * fifth) - dmin * q4Scale(byte, 1, i >> 5)
      }
    },
    encoder(isSearch) {
      const fit = new LineGroups(q5Shape, isSearch)
      return (x, w, out, to) => {
        fit.fit(x, w)
        writeHalf(fit.d, out, to)
        writeHalf(fit.dmin, out, to + 2)
        writeQ4Scales(fit.scales, fit.mins, out, to + 4)
        writePlane(fit.codes, 4, out, to + 16)
        writeNibbles(fit.codes, 32, out, to + 48)
      }
    },
  }),
  // { uint8 pair[128]; uint8 four[64]; int8 scale[16]; f16 d }, per 16: value = d * scale * (code - 32). Byte 64h + i of
  // `pair` holds the low nibbles of codes 128h + i and 128h + 64 + i; the two high bits are as the codes of q2_K.
  q6_K: blockRow({
    gguf: 14,
    elements: 256,
    bytes: 210,
    halves: [208],
    epsilon: 2 ** -5,
    decode(bytes, at, out, to) {
      const d = halfToNumber(bytes.getUint16(at + 208, true))
      for (let i = 0; i < 256; i++) {
        const low = (bytes.getUint8(at + 64 * (i >> 7) + (i & 63)) >> (4 * ((i >> 6) & 1))) & 15
        const high = (bytes.getUint8(at + 128 + 32 * (i >> 7) + (i & 31)) >> (2 * ((i >> 5) & 3))) & 3
        out[to + i] = d * bytes.getInt8(at + 192 + (i >> 4)) * (low + 16 * high - 32)
      }
    },
    encoder(isSearch) {
      const fit = new ScaleGroups(q6Shape, isSearch)
      return (x, w, out, to) => {
        fit.fit(x, w)
        writeNibbles(fit.codes, 64, out, to)
        writeFours(fit.codes, 4, out, to + 128)
        for (let j = 0; j < 16; j++) out[to + 192 + j] = fit.scales[j]!
        writeHalf(fit.d, out, to + 208)
      }
    },
  }),
} as const
