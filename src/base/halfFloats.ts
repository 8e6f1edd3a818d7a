/** 2^e for e = -25 .. 24, at index e + 25. */
const powers = Float64Array.from({ length: 50 }, (_, i) => 2 ** (i - 25))

/** IEEE 754 binary16 bits to its value. Exact. */
export function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 0x1f
  const fraction = bits & 0x3ff
  if (exponent === 0) return sign * fraction * 2 ** -24
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY
  return sign * (1024 + fraction) * powers[exponent]!
}

/** A number to the bits of the nearest binary16, ties to even; overflow becomes infinity. */
export function numberToHalf(value: number): number {
  if (Number.isNaN(value)) return 0x7e00
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0
  const magnitude = Math.abs(value)
  if (magnitude >= 65520) return sign | 0x7c00
  doubleScratch[0] = magnitude
  const e = Math.max(-14, (doubleBits[highWord]! >>> 20) - 1023)
  const scaled = magnitude * powers[35 - e]!
  const floor = Math.floor(scaled)
  const rest = scaled - floor
  const rounded = rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor
  if (magnitude < 2 ** -14) return sign | rounded
  return sign | (((e + 15) << 10) + (rounded - 1024))
}

/** The binary16 number nearest to `value`. */
export function roundToHalf(value: number): number {
  return halfToNumber(numberToHalf(value))
}

/** A float32-representable number to the bits of the nearest bfloat16, ties to even. */
export function numberToBfloat16(value: number): number {
  floatScratch[0] = value
  const bits = bitsScratch[0]!
  if (Number.isNaN(value)) return (bits >>> 16) | 0x40
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff
}

/** The bfloat16 number nearest to `value`, which is taken as float32 first. */
export function roundToBfloat16(value: number): number {
  return bfloat16ToNumber(numberToBfloat16(value))
}

/** bfloat16 bits to its value. Exact. */
export function bfloat16ToNumber(bits: number): number {
  bitsScratch[0] = bits << 16
  return floatScratch[0]!
}

const floatScratch = new Float32Array(1)
const bitsScratch = new Uint32Array(floatScratch.buffer)
const doubleScratch = new Float64Array(1)
const doubleBits = new Uint32Array(doubleScratch.buffer)
/** Which of the two words holds sign and exponent: depends on the machine's byte order. */
const highWord = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1 ? 1 : 0
