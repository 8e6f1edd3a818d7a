import { blockRow } from '../dtypeRow.ts'
import { halfToNumber } from '../halfFloats.ts'

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
  }),
} as const
