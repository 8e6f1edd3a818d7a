import { dtypes, nearestWeightDtype, type WeightDtype, weightDtypes } from '../base/dtypes.ts'

/**
 * Metadata value types of GGUF in the order of their numbers, with the fewest bytes a value takes
 * (specification: ggml/docs/gguf.md).
 */
export const ggufValueTypes = [
  { name: 'uint8', bytes: 1 },
  { name: 'int8', bytes: 1 },
  { name: 'uint16', bytes: 2 },
  { name: 'int16', bytes: 2 },
  { name: 'uint32', bytes: 4 },
  { name: 'int32', bytes: 4 },
  { name: 'float32', bytes: 4 },
  { name: 'bool', bytes: 1 },
  { name: 'string', bytes: 8 },
  { name: 'array', bytes: 12 },
  { name: 'uint64', bytes: 8 },
  { name: 'int64', bytes: 8 },
  { name: 'float64', bytes: 8 },
] as const

export type GgufValueType = (typeof ggufValueTypes)[number]['name']

/**
 * More than any model has. A key, an array or a tensor of a few bytes in the file takes a hundred in memory, so that the
 * limit on the header's bytes would not be enough. `items` counts those of arrays that are no typed arrays.
 */
export const ggufLimits = { arrayDepth: 4, arrays: 65_536, items: 2 ** 22, keys: 65_536, tensors: 262_144 } as const

/** Bytes that the metadata and the tensor table of one file may take; the largest vocabularies need about 20 MB. */
export const maxGgufHeaderBytes = 64 * 2 ** 20

/** Alignment of tensor data where `general.alignment` is absent. */
export const defaultAlignment = 32

// Names of the `ggml_type` numbers, so that a refusal can say which type it met.
const ggmlTypeNames: ReadonlyMap<number, string> = new Map([
  [0, 'F32'],
  [1, 'F16'],
  [2, 'Q4_0'],
  [3, 'Q4_1'],
  [6, 'Q5_0'],
  [7, 'Q5_1'],
  [8, 'Q8_0'],
  [9, 'Q8_1'],
  [10, 'Q2_K'],
  [11, 'Q3_K'],
  [12, 'Q4_K'],
  [13, 'Q5_K'],
  [14, 'Q6_K'],
  [15, 'Q8_K'],
  [16, 'IQ2_XXS'],
  [17, 'IQ2_XS'],
  [18, 'IQ3_XXS'],
  [19, 'IQ1_S'],
  [20, 'IQ4_NL'],
  [21, 'IQ3_S'],
  [22, 'IQ2_S'],
  [23, 'IQ4_XS'],
  [24, 'I8'],
  [25, 'I16'],
  [26, 'I32'],
  [27, 'I64'],
  [28, 'F64'],
  [29, 'IQ1_M'],
  [30, 'BF16'],
  [34, 'TQ1_0'],
  [35, 'TQ2_0'],
  [39, 'MXFP4'],
  [40, 'NVFP4'],
  [41, 'Q1_0'],
])

/** Name of a `ggml_type` number for people: `Q6_K`, or `number 99` where it is unknown. */
export function ggmlTypeName(id: number): string {
  return ggmlTypeNames.get(id) ?? `number ${id}`
}

/** For types of weights that are not accepted: the accepted one whose bits per value are nearest. */
export const nearestToGgmlType: ReadonlyMap<number, WeightDtype> = new Map([
  [9, 'q8_0'],
  [15, 'q8_0'],
  [16, 'q2_K'],
  [17, 'q2_K'],
  [18, 'q3_K'],
  [19, 'q2_K'],
  [21, 'q3_K'],
  [22, 'q2_K'],
  [29, 'q2_K'],
  [34, 'q2_K'],
  [35, 'q2_K'],
  [40, 'mxfp4'],
  [41, 'q2_K'],
])

/** `F32, F16, …`: the tensor types that a GGUF file may have here. */
export const acceptedGgmlTypes = weightDtypes
  .filter((dtype: WeightDtype) => dtypes[dtype].gguf !== null)
  .map((dtype) => dtype.toUpperCase())
  .join(', ')

/** What is accepted in place of rows of `columns` values that the blocks of `dtype` do not divide. */
export function acceptedRows(dtype: WeightDtype, columns: number): string {
  return (
    `rows of a multiple of ${dtypes[dtype].blockElements} elements, as type ${dtype.toUpperCase()} has; ` +
    `nearest type for these: ${nearestWeightDtype(dtype, columns).toUpperCase()}`
  )
}
