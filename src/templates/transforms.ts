/** How a tensor of a transformers folder becomes ours, which is that of GGUF files. */
export interface TransformRule {
  /** Rows and columns change places. */
  readonly isTransposed: boolean
  /** The tensor has an axis of 1 before its last one. */
  readonly hasUnitAxis?: true
  /** What becomes of each value; absent: nothing. The result is f32. */
  readonly value?: (value: number) => number
  /** The derivative of `value` at a stored value; absent: 1. */
  readonly slope?: (value: number) => number
  /** The inverse of `value`; there is one wherever there is the other. */
  readonly stored?: (value: number) => number
}

/** What families' exporters do to tensors on the way from a transformers folder to a GGUF file. */
export const transforms = {
  /** Conv1D of GPT-2 has its weights [in, out]. */
  transpose: { isTransposed: true },
  /** Norms of Gemma multiply by 1 + w. */
  plusOne: { isTransposed: false, value: (value) => value + 1, stored: (value) => value - 1 },
  /** Convolutions of every channel by itself are [channels, 1, taps]. */
  depthwise: { isTransposed: false, hasUnitAxis: true },
  /** Rates of decay are stored as the logarithm of what is taken from 0. */
  minusExp: {
    isTransposed: false,
    value: (value) => -Math.exp(value),
    slope: (value) => -Math.exp(value),
    stored: (value) => Math.log(-value),
  },
} as const satisfies { readonly [name: string]: TransformRule }

/** The name of a transform. */
export type Transform = keyof typeof transforms
