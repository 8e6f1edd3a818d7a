import { numberToHalf } from '../halfFloats.ts'

/** Writes the bits of the binary16 number nearest to `value`, low byte first. */
export function writeHalf(value: number, out: Uint8Array, to: number): void {
  const bits = numberToHalf(value)
  out[to] = bits
  out[to + 1] = bits >> 8
}

/** The low nibbles of 32 codes in 16 bytes: codes 0 .. 15 in the low halves, 16 .. 31 in the high ones. */
export function writePairs(codes: Uint8Array, from: number, out: Uint8Array, to: number): void {
  for (let i = 0; i < 16; i++) out[to + i] = (codes[from + i]! & 15) | (codes[from + i + 16]! << 4)
}

/** Bit 4 of 32 codes as bits 0 .. 31 of four bytes. */
export function writeFifthBits(codes: Uint8Array, out: Uint8Array, to: number): void {
  out.fill(0, to, to + 4)
  for (let i = 0; i < 32; i++) out[to + (i >> 3)]! |= ((codes[i]! >> 4) & 1) << (i & 7)
}

/**
 * Two bits of each of 256 codes from bit `shift` up, in 64 bytes: byte 32h + i holds those of codes 128h + i + 32n,
 * n = 0 .. 3, from its low bits up.
 */
export function writeFours(codes: Uint8Array, shift: number, out: Uint8Array, to: number): void {
  for (let b = 0; b < 64; b++) {
    const i = 128 * (b >> 5) + (b & 31)
    const bits = (n: number) => ((codes[i + 32 * n]! >> shift) & 3) << (2 * n)
    out[to + b] = bits(0) | bits(1) | bits(2) | bits(3)
  }
}

/** Bit `shift` of each of 256 codes in 32 bytes: that of code i is bit i / 32 of byte i % 32. */
export function writePlane(codes: Uint8Array, shift: number, out: Uint8Array, to: number): void {
  out.fill(0, to, to + 32)
  for (let i = 0; i < 256; i++) out[to + (i & 31)]! |= ((codes[i]! >> shift) & 1) << (i >> 5)
}

/** The low nibbles of 256 codes in 128 bytes: byte span·c + i holds codes 2·span·c + i and 2·span·c + span + i. */
export function writeNibbles(codes: Uint8Array, span: 32 | 64, out: Uint8Array, to: number): void {
  for (let b = 0; b < 128; b++) {
    const i = 2 * b - (b % span)
    out[to + b] = (codes[i]! & 15) | (codes[i + span]! << 4)
  }
}
