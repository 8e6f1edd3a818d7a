/**
 * The dtype table: one row per element or block format. A format that a checkpoint may hold has a GGUF id or a
 * safetensors name; `decode` gives its exact values. Block layouts follow GGML's definitions (ggml-common.h).
 */
export interface DtypeRow {
  /** Elements per block: 1 for plain types. Rows are a whole number of blocks. */
  readonly blockElements: number
  readonly blockBytes: number
  /** `ggml_type` number in a GGUF tensor record; null: never in a GGUF file. */
  readonly gguf: number | null
  /** `dtype` in a safetensors header; null: never in a safetensors file. */
  readonly safetensors: string | null
  /** C type that a kernel sees: block formats are bytes. */
  readonly c: 'float' | 'int32_t' | 'int8_t' | 'uint8_t' | 'uint16_t'
  /** Distance from 1 to the next value; tolerances are counted in it. 0 for integers. */
  readonly epsilon: number
  /** Writes the exact values of `blocks` blocks that begin at byte `at` to `out[to ...]`. */
  readonly decode: (bytes: DataView, at: number, blocks: number, out: Float64Array, to: number) => void
}

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

const rows = {
  f32: {
    blockElements: 1,
    blockBytes: 4,
    gguf: 0,
    safetensors: 'F32',
    c: 'float',
    epsilon: 2 ** -23,
    decode(bytes, at, blocks, out, to) {
      for (let i = 0; i < blocks; i++) out[to + i] = bytes.getFloat32(at + 4 * i, true)
    },
  },
  f16: {
    blockElements: 1,
    blockBytes: 2,
    gguf: 1,
    safetensors: 'F16',
    c: 'uint16_t',
    epsilon: 2 ** -10,
    decode(bytes, at, blocks, out, to) {
      for (let i = 0; i < blocks; i++) out[to + i] = halfToNumber(bytes.getUint16(at + 2 * i, true))
    },
  },
  bf16: {
    blockElements: 1,
    blockBytes: 2,
    gguf: 30,
    safetensors: 'BF16',
    c: 'uint16_t',
    epsilon: 2 ** -7,
    decode(bytes, at, blocks, out, to) {
      for (let i = 0; i < blocks; i++) out[to + i] = bfloat16ToNumber(bytes.getUint16(at + 2 * i, true))
    },
  },
  q8_0: {
    // { f16 d; int8 code[32] }, value = d * code.
    blockElements: 32,
    blockBytes: 34,
    gguf: 8,
    safetensors: null,
    c: 'uint8_t',
    epsilon: 2 ** -7,
    decode(bytes, at, blocks, out, to) {
      for (let b = 0; b < blocks; b++) {
        const block = at + 34 * b
        const d = halfToNumber(bytes.getUint16(block, true))
        for (let i = 0; i < 32; i++) out[to + 32 * b + i] = d * bytes.getInt8(block + 2 + i)
      }
    },
  },
  q4_0: {
    // { f16 d; uint8 pair[16] }, value i = d * (low nibble - 8), value i + 16 = d * (high nibble - 8).
    blockElements: 32,
    blockBytes: 18,
    gguf: 2,
    safetensors: null,
    c: 'uint8_t',
    epsilon: 2 ** -3,
    decode(bytes, at, blocks, out, to) {
      for (let b = 0; b < blocks; b++) {
        const block = at + 18 * b
        const d = halfToNumber(bytes.getUint16(block, true))
        for (let i = 0; i < 16; i++) {
          const pair = bytes.getUint8(block + 2 + i)
          out[to + 32 * b + i] = d * ((pair & 15) - 8)
          out[to + 32 * b + 16 + i] = d * ((pair >> 4) - 8)
        }
      }
    },
  },
  i32: {
    blockElements: 1,
    blockBytes: 4,
    gguf: 26,
    safetensors: 'I32',
    c: 'int32_t',
    epsilon: 0,
    decode(bytes, at, blocks, out, to) {
      for (let i = 0; i < blocks; i++) out[to + i] = bytes.getInt32(at + 4 * i, true)
    },
  },
  a8: {
    // An activation row quantised for integer dots. Per 32 values: f32 scale, i32 sum of codes, int8 code[32].
    // Lives only in the arena, never in a file.
    blockElements: 32,
    blockBytes: 40,
    gguf: null,
    safetensors: null,
    c: 'uint8_t',
    epsilon: 2 ** -7,
    decode(bytes, at, blocks, out, to) {
      for (let b = 0; b < blocks; b++) {
        const block = at + 40 * b
        const scale = bytes.getFloat32(block, true)
        for (let i = 0; i < 32; i++) out[to + 32 * b + i] = scale * bytes.getInt8(block + 8 + i)
      }
    },
  },
} as const satisfies Record<string, DtypeRow>

export type Dtype = keyof typeof rows

export const dtypes: { readonly [D in Dtype]: DtypeRow } = rows
export const dtypeNames = Object.keys(rows) as readonly Dtype[]

/** Formats a checkpoint's weight may have. */
export type WeightDtype = 'f32' | 'f16' | 'bf16' | 'q8_0' | 'q4_0'
export const weightDtypes: readonly WeightDtype[] = ['f32', 'f16', 'bf16', 'q8_0', 'q4_0']

export function isWeightDtype(dtype: Dtype): dtype is WeightDtype {
  return (weightDtypes as readonly Dtype[]).includes(dtype)
}

/** The dtype with this `ggml_type` number, or undefined. */
export function dtypeFromGguf(id: number): Dtype | undefined {
  return dtypeNames.find((name) => dtypes[name].gguf === id)
}

/** The dtype with this safetensors name, or undefined. */
export function dtypeFromSafetensors(name: string): Dtype | undefined {
  return dtypeNames.find((candidate) => dtypes[candidate].safetensors === name)
}

/** Bytes of `elements` values; undefined when they are not a whole number of blocks. */
export function bytesOf(dtype: Dtype, elements: number): number | undefined {
  const row = dtypes[dtype]
  return elements % row.blockElements === 0 ? (elements / row.blockElements) * row.blockBytes : undefined
}

/** Decodes a whole tensor of `elements` values. `bytes` begins at the tensor's first byte. */
export function decodeTensor(dtype: Dtype, bytes: Uint8Array, elements: number): Float64Array {
  const out = new Float64Array(elements)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  dtypes[dtype].decode(view, 0, elements / dtypes[dtype].blockElements, out, 0)
  return out
}
