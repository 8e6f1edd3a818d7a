/** How a tensor of a transformers folder becomes ours, which is that of GGUF files. */
export interface TransformRule {
  /** Rows and columns change places. */
  readonly isTransposed: boolean
  /** What becomes of each value; absent: nothing. The result is f32. */
  readonly value?: (value: number) => number
}

/** What families' exporters do to tensors on the way from a transformers folder to a GGUF file. */
export const transforms = {
  /** Conv1D of GPT-2 has its weights [in, out]. */
  transpose: { isTransposed: true },
  /** Norms of Gemma multiply by 1 + w. */
  plusOne: { isTransposed: false, value: (value) => value + 1 },
} as const satisfies { readonly [name: string]: TransformRule }

/** The name of a transform. */
export type Transform = keyof typeof transforms
