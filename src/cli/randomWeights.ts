import { type Dtype, dtypes, numberToBfloat16, numberToHalf } from '../base/dtypes.ts'

/** Gives a whole number below 2^32. */
export type Draw = () => number

/** How random weights of one format are made. */
interface RandomFormat {
  /** `general.file_type` of a GGUF file whose matrices have it. */
  readonly fileType: number
  /** Gives what fills whole blocks with values around 0 whose standard deviation is about `spread`. */
  readonly filler: (spread: number, draw: Draw) => (blocks: Uint8Array) => void
}

const rows = {
  f32: { fileType: 0, filler: fillFloats },
  f16: { fileType: 1, filler: fillWords(numberToHalf) },
  bf16: { fileType: 32, filler: fillWords(numberToBfloat16) },
  // Codes are uniform: bytes without -128, or nibbles from -8 to 7.
  q8_0: { fileType: 7, filler: fillBlocks(17, 73.3, withoutLowest) },
  q4_0: { fileType: 2, filler: fillBlocks(9, 4.61, (word) => word) },
} as const satisfies { readonly [D in Dtype]?: RandomFormat }

export type RandomFormatName = keyof typeof rows

/** The formats of `ck synth`. */
export const randomFormats: { readonly [F in RandomFormatName]: RandomFormat } = rows
export const randomFormatNames = Object.keys(rows) as readonly RandomFormatName[]

/** A xorshift generator (Marsaglia 2003) of tensor `index` of the model with this seed. */
export function drawFrom(seed: bigint, index: number): Draw {
  const [low, high] = [Number(seed & 0xffffffffn), Number(seed >> 32n)]
  // Zero is the one state that never changes.
  let state = mix(mix(mix(low) ^ high) ^ (index + 1)) || 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state >>> 0
  }
}

/** Murmur3's finaliser over a word that is not 0 for 0. */
function mix(word: number): number {
  let bits = (word + 0x9e3779b9) | 0
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b)
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35)
  return bits ^ (bits >>> 16)
}

const mostChunkBytes = 2 ** 22

/** The bytes of `elements` random weights, a whole number of blocks, in pieces of a few MiB. */
export function* randomBytes(
  format: RandomFormatName,
  elements: number,
  spread: number,
  draw: Draw,
): Generator<Uint8Array> {
  const { blockElements, blockBytes } = dtypes[format]
  const fill = randomFormats[format].filler(spread, draw)
  const chunk = new Uint8Array(Math.floor(mostChunkBytes / blockBytes) * blockBytes)
  let left = (elements / blockElements) * blockBytes
  while (left > 0) {
    const part = chunk.subarray(0, Math.min(chunk.length, left))
    fill(part)
    yield part
    left -= part.length
  }
}

/** Number i of 65536 that lie evenly in ±√3 spread, which has that deviation. */
function evenly(i: number, spread: number): number {
  return ((i + 0.5) / 32768 - 1) * Math.sqrt(3) * spread
}

function fillFloats(spread: number, draw: Draw): (blocks: Uint8Array) => void {
  return (blocks) => {
    const values = new Float32Array(blocks.buffer, blocks.byteOffset, blocks.length / 4)
    for (let i = 0; i < values.length; i++) values[i] = evenly(draw() / 65536, spread)
  }
}

function fillWords(encode: (value: number) => number): RandomFormat['filler'] {
  return (spread, draw) => {
    const codes = Uint16Array.from({ length: 65536 }, (_, i) => encode(Math.fround(evenly(i, spread))))
    return (blocks) => {
      const words = new Uint16Array(blocks.buffer, blocks.byteOffset, blocks.length / 2)
      for (let i = 0; i < words.length; i++) words[i] = codes[draw() & 0xffff]!
    }
  }
}

/**
 * Blocks of `words` 16-bit words: a half scale, then codes. `deviation` is that of the codes; scales are within 15 % of
 * each other. `code` makes a word of codes of any 16 bits.
 */
function fillBlocks(words: number, deviation: number, code: (word: number) => number): RandomFormat['filler'] {
  const codes = Uint16Array.from({ length: 65536 }, (_, word) => code(word))
  return (spread, draw) => {
    const scales = Uint16Array.from({ length: 256 }, (_, i) => numberToHalf((spread / deviation) * (0.875 + i / 1024)))
    return (blocks) => {
      const out = new Uint16Array(blocks.buffer, blocks.byteOffset, blocks.length / 2)
      for (let block = 0; block < out.length; block += words) {
        out[block] = scales[draw() & 255]!
        for (let i = 1; i < words; i++) out[block + i] = codes[draw() & 0xffff]!
      }
    }
  }
}

/** The word with -127 for each byte that is -128. */
function withoutLowest(word: number): number {
  return word + ((word & 0xff) === 0x80 ? 1 : 0) + (word >> 8 === 0x80 ? 0x100 : 0)
}
