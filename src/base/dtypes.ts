import { plainBlocks } from './blocks/plainBlocks.ts'
import { superBlocks } from './blocks/superBlocks.ts'
import { tableBlocks } from './blocks/tableBlocks.ts'
import { type DtypeRow, type WeightRow, wordRow } from './dtypeRow.ts'
import { bfloat16ToNumber, halfToNumber, numberToBfloat16, numberToHalf } from './halfFloats.ts'

export type { DtypeRow, Encode } from './dtypeRow.ts'
export { bfloat16ToNumber, halfToNumber, numberToBfloat16, numberToHalf } from './halfFloats.ts'

/**
 * The dtype table: one row per element or block format. A format that a checkpoint may hold has a GGUF id or a
 * safetensors name; `decode` gives its exact values. Block layouts follow GGML's definitions (ggml-common.h).
 */
const rows = {
  f32: {
    blockElements: 1,
    blockBytes: 4,
    gguf: 0,
    safetensors: 'F32',
    c: 'float',
    scales: [],
    epsilon: 2 ** -23,
    decode(bytes, at, blocks, out, to) {
      for (let i = 0; i < blocks; i++) out[to + i] = bytes.getFloat32(at + 4 * i, true)
    },
    encoder: () => (values, from, blocks, _importance, out, to) => {
      const view = new DataView(out.buffer, out.byteOffset)
      for (let i = 0; i < blocks; i++) view.setFloat32(to + 4 * i, values[from + i]!, true)
    },
  },
  f64: {
    // Gradients in files, for other programs to compare with.
    blockElements: 1,
    blockBytes: 8,
    gguf: 28,
    safetensors: 'F64',
    c: 'double',
    scales: [],
    epsilon: 2 ** -52,
    decode(bytes, at, blocks, out, to) {
      for (let i = 0; i < blocks; i++) out[to + i] = bytes.getFloat64(at + 8 * i, true)
    },
    encoder: null,
  },
  f16: wordRow({ gguf: 1, safetensors: 'F16', epsilon: 2 ** -10 }, halfToNumber, numberToHalf),
  bf16: wordRow({ gguf: 30, safetensors: 'BF16', epsilon: 2 ** -7 }, bfloat16ToNumber, numberToBfloat16),
  ...plainBlocks,
  ...superBlocks,
  ...tableBlocks,
  i32: {
    blockElements: 1,
    blockBytes: 4,
    gguf: 26,
    safetensors: 'I32',
    c: 'int32_t',
    scales: [],
    epsilon: 0,
    decode(bytes, at, blocks, out, to) {
      for (let i = 0; i < blocks; i++) out[to + i] = bytes.getInt32(at + 4 * i, true)
    },
    encoder: null,
  },
  a8: {
    // An activation row quantised for integer dots. Per 32 values: f32 scale, f32 scale * sum of
    // codes, int32 -128 * sum of codes, int32 -128 * sum of codes 0 .. 15, int8 code[32]. Lives only in the arena.
    blockElements: 32,
    blockBytes: 48,
    gguf: null,
    safetensors: null,
    c: 'uint8_t',
    scales: [{ at: 0, type: 'f32' }],
    epsilon: 2 ** -7,
    decode(bytes, at, blocks, out, to) {
      for (let b = 0; b < blocks; b++) {
        const block = at + 48 * b
        const scale = bytes.getFloat32(block, true)
        for (let i = 0; i < 32; i++) out[to + 32 * b + i] = scale * bytes.getInt8(block + 16 + i)
      }
    },
    encoder: null,
  },
} as const satisfies Record<string, DtypeRow>

export type Dtype = keyof typeof rows

export const dtypes: { readonly [D in Dtype]: DtypeRow } = rows
export const dtypeNames = Object.keys(rows) as readonly Dtype[]

/** Weights whose values stand alone. */
export type FloatDtype = 'f32' | 'f16' | 'bf16'

/** Weights in blocks of integer codes that share scales. */
export type BlockDtype = keyof typeof plainBlocks | keyof typeof superBlocks | keyof typeof tableBlocks

/** Formats a checkpoint's weight may have. */
export type WeightDtype = FloatDtype | BlockDtype
export const blockDtypes = [
  ...Object.keys(plainBlocks),
  ...Object.keys(superBlocks),
  ...Object.keys(tableBlocks),
] as readonly BlockDtype[]
const floatDtypes: readonly FloatDtype[] = ['f32', 'f16', 'bf16']
export const weightDtypes: readonly WeightDtype[] = [...floatDtypes, ...blockDtypes]

/** The rows that weights are stored in and converted to. */
export const weightRows: { readonly [D in WeightDtype]: WeightRow } = rows

export function isWeightDtype(dtype: Dtype): dtype is WeightDtype {
  return (weightDtypes as readonly Dtype[]).includes(dtype)
}

export function isFloatDtype(dtype: Dtype): dtype is FloatDtype {
  return (floatDtypes as readonly Dtype[]).includes(dtype)
}

export function isBlockDtype(dtype: Dtype): dtype is BlockDtype {
  return (blockDtypes as readonly Dtype[]).includes(dtype)
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

/** The weight format, other than `dtype`, whose blocks divide rows of `cols` and whose bits per value are nearest. */
export function nearestWeightDtype(dtype: WeightDtype, cols: number): WeightDtype {
  const distance = (other: WeightDtype) => Math.abs(bitsPerValue(other) - bitsPerValue(dtype))
  return weightDtypes
    .filter((other) => other !== dtype && cols % dtypes[other].blockElements === 0)
    .reduce((best, other) => (distance(other) < distance(best) ? other : best))
}

function bitsPerValue(dtype: WeightDtype): number {
  return (8 * dtypes[dtype].blockBytes) / dtypes[dtype].blockElements
}

/** The first of `rows` rows of `cols` values with a scale that is infinite or NaN; undefined: none has. */
export function rowOfBadScale(dtype: WeightDtype, bytes: Uint8Array, rows: number, cols: number): number | undefined {
  const { scales, blockBytes } = dtypes[dtype]
  const rowBytes = bytesOf(dtype, cols)!
  for (const { at, type } of scales) {
    for (let block = 0; block < rows * rowBytes; block += blockBytes) {
      const bad = type === 'e8m0' ? bytes[block + at] === 255 : (bytes[block + at + 1]! & 0x7c) === 0x7c
      if (bad) return Math.floor(block / rowBytes)
    }
  }
  return undefined
}
