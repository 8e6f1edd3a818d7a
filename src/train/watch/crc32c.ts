/** Reversed Castagnoli polynomial (RFC 3720, appendix B.4). */
const polynomial = 0x82f63b78

const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let sum = byte
  for (let bit = 0; bit < 8; bit++) sum = sum & 1 ? (sum >>> 1) ^ polynomial : sum >>> 1
  return sum
})

/** CRC-32C of the bytes, 0 to 2^32 - 1. (zlib has another polynomial.) */
export function crc32c(bytes: Uint8Array): number {
  let sum = 0xffffffff
  for (const byte of bytes) sum = (sum >>> 8) ^ table[(sum ^ byte) & 255]!
  return (sum ^ 0xffffffff) >>> 0
}
