/** IEEE 754 binary16 bits to its value. Exact. */
export function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 0x1f
  const fraction = bits & 0x3ff
  if (exponent === 0) return sign * fraction * 2 ** -24
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
}

/** A number to the bits of the nearest binary16, ties to even; overflow becomes infinity. */
export function numberToHalf(value: number): number {
  if (Number.isNaN(value)) return 0x7e00
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0
  const magnitude = Math.abs(value)
  if (magnitude >= 65520) return sign | 0x7c00
  const e = Math.max(-14, binadeOf(magnitude))
  const scaled = magnitude / 2 ** (e - 10)
  const floor = Math.floor(scaled)
  const rest = scaled - floor
  const rounded = rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor
  if (magnitude < 2 ** -14) return sign | rounded
  return sign | (((e + 15) << 10) + (rounded - 1024))
}

/** The whole number e with 2^e <= magnitude < 2^(e + 1). */
function binadeOf(magnitude: number): number {
  const guess = Math.floor(Math.log2(magnitude))
  if (magnitude < 2 ** guess) return guess - 1
  return magnitude >= 2 ** (guess + 1) ? guess + 1 : guess
}

/** A float32-representable number to the bits of the nearest bfloat16, ties to even. */
export function numberToBfloat16(value: number): number {
  floatScratch[0] = value
  const bits = bitsScratch[0]!
  if (Number.isNaN(value)) return (bits >>> 16) | 0x40
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff
}

/** bfloat16 bits to its value. Exact. */
export function bfloat16ToNumber(bits: number): number {
  bitsScratch[0] = bits << 16
  return floatScratch[0]!
}

const floatScratch = new Float32Array(1)
const bitsScratch = new Uint32Array(floatScratch.buffer)
