/**
 * Codes of 32 columns and one row as words of four bytes, which is how panels hold them. Byte b of group g is column
 * 4g + b, and a word of a plane holds, per byte b:
 * - bytes: 8 words, word g the codes of group g.
 * - nibbles: 4 words, word g the group g in the low and g + 4 in the high nibble.
 * - crumbs: 2 words, word j the groups 4j .. 4j + 3, two bits each, from the low bits up.
 * - bits: 1 word, bit g the group g.
 * A code of 5 bits is a nibble with a bit above it, one of 6 a nibble with a crumb above, one of 3 a crumb with a bit above.
 */
export type CodeBits = 2 | 3 | 4 | 5 | 6 | 8

/** The little-endian word at byte `at`, which need not be a multiple of 4. */
function wordAt(from: Uint8Array, at: number): number {
  return from[at]! | (from[at + 1]! << 8) | (from[at + 2]! << 16) | (from[at + 3]! << 24)
}

/** Copies `count` words from byte `at`, each xor `flip`. */
export function copyWords(from: Uint8Array, at: number, flip: number, words: Uint32Array, to: number, count: number) {
  for (let i = 0; i < count; i++) words[to + i] = wordAt(from, at + 4 * i) ^ flip
}

/** The plane of the nibbles at bit `shift` of 32 bytes, byte i being column i. */
export function gatherNibbles(from: Uint8Array, at: number, shift: 0 | 4, words: Uint32Array, to: number) {
  for (let g = 0; g < 4; g++) {
    const low = (wordAt(from, at + 4 * g) >>> shift) & 0x0f0f0f0f
    const high = (wordAt(from, at + 4 * g + 16) >>> shift) & 0x0f0f0f0f
    words[to + g] = low | (high << 4)
  }
}

/** The plane of the two bits at bit `shift` of 32 bytes, byte i being column i. */
export function gatherCrumbs(from: Uint8Array, at: number, shift: number, words: Uint32Array, to: number) {
  for (let j = 0; j < 2; j++) {
    let word = 0
    for (let k = 0; k < 4; k++) word |= ((wordAt(from, at + 16 * j + 4 * k) >>> shift) & 0x03030303) << (2 * k)
    words[to + j] = word
  }
}

/** The plane of the bit `shift` of 32 bytes, byte i being column i. */
export function gatherBits(from: Uint8Array, at: number, shift: number): number {
  let word = 0
  for (let g = 0; g < 8; g++) word |= ((wordAt(from, at + 4 * g) >>> shift) & 0x01010101) << g
  return word
}

// Bit i of the index, a column, moves to byte i % 4, bit i / 4.
const spread = Uint32Array.from({ length: 256 }, (_, bits) => {
  let word = 0
  for (let i = 0; i < 8; i++) word |= ((bits >> i) & 1) << (8 * (i & 3) + (i >> 2))
  return word
})

/** The plane of the 32 bits at byte `at`, bit i being column i. */
export function spreadBits(from: Uint8Array, at: number): number {
  return (
    spread[from[at]!]! | (spread[from[at + 1]!]! << 2) | (spread[from[at + 2]!]! << 4) | (spread[from[at + 3]!]! << 6)
  )
}

/** The code of column `col` of 32, `word(i)` being word i of its row. The low plane comes first. */
export function codeAt(bits: CodeBits, word: (i: number) => number, col: number): number {
  const [g, shift] = [col >> 2, 8 * (col & 3)]
  const nibble = () => (word(g & 3) >>> (shift + 4 * (g >> 2))) & 15
  const crumb = (first: number) => (word(first + (g >> 2)) >>> (shift + 2 * (g & 3))) & 3
  const bit = (at: number) => (word(at) >>> (shift + g)) & 1
  switch (bits) {
    case 2:
      return crumb(0)
    case 3:
      return crumb(0) | (bit(2) << 2)
    case 4:
      return nibble()
    case 5:
      return nibble() | (bit(4) << 4)
    case 6:
      return nibble() | (crumb(4) << 4)
    case 8:
      return (word(g) >>> shift) & 255
    default:
      return bits satisfies never
  }
}
