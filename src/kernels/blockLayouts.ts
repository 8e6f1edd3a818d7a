import { q3Scale, q4Scale } from '../base/blocks/superBlocks.ts'
import { e2m1Doubled, e8m0Half, iq4Scale, iq4Values } from '../base/blocks/tableBlocks.ts'
import { type BlockDtype, halfToNumber } from '../base/dtypes.ts'
import { type CodeBits, copyWords, gatherBits, gatherCrumbs, gatherNibbles, spreadBits } from './codePlanes.ts'

/** One stored block of one row, split: words of codes (codePlanes.ts), binary16 numbers, bytes. */
export interface SplitBlock {
  readonly words: Uint32Array
  readonly halves: Uint16Array
  readonly bytes: Uint8Array
}

/** How panels hold a block format. Value = scale * number(code) + offset. */
export interface BlockLayout {
  /** Of a code; also its words per 32 columns. */
  readonly bits: CodeBits
  /** Binary16 numbers and bytes that scale a stored block. */
  readonly halves: number
  readonly bytes: number
  /** Splits the block at byte `at`. */
  readonly split: (from: Uint8Array, at: number, to: SplitBlock) => void
  readonly number: (code: number) => number
  /** Of columns 16j .. 16j + 15 of a stored block. */
  readonly scale: (block: SplitBlock, j: number) => number
  readonly offset?: (block: SplitBlock, j: number) => number
}

const halfAt = (from: Uint8Array, at: number) => from[at]! | (from[at + 1]! << 8)
const half = ({ halves }: SplitBlock, at: number) => halfToNumber(halves[at]!)
const signed = (byte: number) => (byte << 24) >> 24

/** Blocks of 32 with one scale, and with an offset where `halves` is 2. `words` writes the codes behind the scales. */
function plain(
  bits: CodeBits,
  halves: 1 | 2,
  bias: number,
  words: (from: Uint8Array, at: number, words: Uint32Array) => void,
): BlockLayout {
  return {
    bits,
    halves,
    bytes: 0,
    split(from, at, to) {
      for (let i = 0; i < halves; i++) to.halves[i] = halfAt(from, at + 2 * i)
      words(from, at + 2 * halves, to.words)
    },
    number: (code) => code - bias,
    scale: (block) => half(block, 0),
    ...(halves === 2 && { offset: (block) => half(block, 1) }),
  }
}

function fiveBits(from: Uint8Array, at: number, words: Uint32Array) {
  copyWords(from, at + 4, 0, words, 0, 4)
  words[4] = spreadBits(from, at)
}

/** q4_K and q5_K: eight scales, then eight minima, as bytes. */
function splitSuperScales(from: Uint8Array, at: number, { halves, bytes }: SplitBlock) {
  halves[0] = halfAt(from, at)
  halves[1] = halfAt(from, at + 2)
  const byte = (i: number) => from[at + 4 + i]!
  for (let j = 0; j < 8; j++) {
    bytes[j] = q4Scale(byte, 0, j)
    bytes[8 + j] = q4Scale(byte, 1, j)
  }
}

const superScales = {
  halves: 2,
  bytes: 16,
  number: (code: number) => code,
  scale: (block: SplitBlock, j: number) => half(block, 0) * block.bytes[j >> 1]!,
  offset: (block: SplitBlock, j: number) => -half(block, 1) * block.bytes[8 + (j >> 1)]!,
} as const

/** q3_K and q6_K: sixteen signed scales as bytes. */
const signedScales = {
  halves: 1,
  bytes: 16,
  scale: (block: SplitBlock, j: number) => half(block, 0) * signed(block.bytes[j]!),
} as const

export const blockLayouts: { readonly [D in BlockDtype]: BlockLayout } = {
  // Codes + 128.
  q8_0: plain(8, 1, 128, (from, at, words) => copyWords(from, at, 0x80808080, words, 0, 8)),
  q4_0: plain(4, 1, 8, (from, at, words) => copyWords(from, at, 0, words, 0, 4)),
  q4_1: plain(4, 2, 0, (from, at, words) => copyWords(from, at, 0, words, 0, 4)),
  q5_0: plain(5, 1, 16, fiveBits),
  q5_1: plain(5, 2, 0, fiveBits),
  q2_K: {
    bits: 2,
    halves: 2,
    bytes: 16,
    split(from, at, { words, halves, bytes }) {
      halves[0] = halfAt(from, at + 80)
      halves[1] = halfAt(from, at + 82)
      for (let j = 0; j < 16; j++) bytes[j] = from[at + j]!
      for (let b = 0; b < 8; b++) gatherCrumbs(from, at + 16 + 32 * (b >> 2), 2 * (b & 3), words, 2 * b)
    },
    number: (code) => code,
    scale: (block, j) => half(block, 0) * (block.bytes[j]! & 15),
    offset: (block, j) => -half(block, 1) * (block.bytes[j]! >> 4),
  },
  q3_K: {
    ...signedScales,
    bits: 3,
    split(from, at, { words, halves, bytes }) {
      halves[0] = halfAt(from, at + 108)
      const byte = (i: number) => from[at + 96 + i]!
      for (let j = 0; j < 16; j++) bytes[j] = q3Scale(byte, j) - 32
      for (let b = 0; b < 8; b++) {
        gatherCrumbs(from, at + 32 + 32 * (b >> 2), 2 * (b & 3), words, 3 * b)
        words[3 * b + 2] = gatherBits(from, at, b)
      }
    },
    number: (code) => code - 4,
  },
  q4_K: {
    ...superScales,
    bits: 4,
    split(from, at, block) {
      splitSuperScales(from, at, block)
      for (let b = 0; b < 8; b++) gatherNibbles(from, at + 16 + 32 * (b >> 1), b & 1 ? 4 : 0, block.words, 4 * b)
    },
  },
  q5_K: {
    ...superScales,
    bits: 5,
    split(from, at, block) {
      splitSuperScales(from, at, block)
      for (let b = 0; b < 8; b++) {
        gatherNibbles(from, at + 48 + 32 * (b >> 1), b & 1 ? 4 : 0, block.words, 5 * b)
        block.words[5 * b + 4] = gatherBits(from, at + 16, b)
      }
    },
  },
  q6_K: {
    ...signedScales,
    bits: 6,
    split(from, at, { words, halves, bytes }) {
      halves[0] = halfAt(from, at + 208)
      for (let j = 0; j < 16; j++) bytes[j] = from[at + 192 + j]!
      for (let b = 0; b < 8; b++) {
        gatherNibbles(from, at + 64 * (b >> 2) + 32 * (b & 1), b & 2 ? 4 : 0, words, 6 * b)
        gatherCrumbs(from, at + 128 + 32 * (b >> 2), 2 * (b & 3), words, 6 * b + 4)
      }
    },
    number: (code) => code - 32,
  },
  iq4_nl: {
    ...plain(4, 1, 0, (from, at, words) => copyWords(from, at, 0, words, 0, 4)),
    number: (code) => iq4Values[code]!,
  },
  iq4_xs: {
    bits: 4,
    halves: 1,
    bytes: 8,
    split(from, at, { words, halves, bytes }) {
      halves[0] = halfAt(from, at)
      const high = halfAt(from, at + 2)
      const byte = (i: number) => from[at + 4 + i]!
      for (let j = 0; j < 8; j++) bytes[j] = iq4Scale(high, byte, j) - 32
      copyWords(from, at + 8, 0, words, 0, 32)
    },
    number: (code) => iq4Values[code]!,
    scale: (block, j) => half(block, 0) * signed(block.bytes[j >> 1]!),
  },
  mxfp4: {
    bits: 4,
    halves: 0,
    bytes: 1,
    split(from, at, { words, bytes }) {
      bytes[0] = from[at]!
      copyWords(from, at + 1, 0, words, 0, 4)
    },
    number: (code) => e2m1Doubled[code]!,
    scale: (block) => e8m0Half(block.bytes[0]!),
  },
}
