import { fail } from '../base/errors.ts'
import type { Dim, TensorType } from '../ir/graph.ts'
import type { Tensor } from '../ir/tensor.ts'

/** Refuses a number of tokens that are no whole rows of a batch. `length`: tokens of each; 0 or absent: all are one row. */
export function checkLength(tokens: Dim, length: number | undefined, refuse: (what: string) => never): void {
  if (length === undefined || length === 0) return
  if (!(Number.isSafeInteger(length) && length > 0)) refuse(`length is ${length}; accepted: 0 (all) or a whole number`)
  if (typeof tokens === 'number' && tokens % length !== 0)
    refuse(`length is ${length}; accepted: a divisor of the ${tokens} tokens`)
}

/** Rows of a batch that the tokens of x are. */
export function batchOf(x: TensorType, length: number | undefined): number {
  const [tokens] = x.shape
  if (!length) return 1
  if (typeof tokens === 'number') return tokens / length
  return fail('program_invalid', { where: String(tokens), what: `is no number, and rows have ${length} tokens each` })
}

/** The row at which the sequence of token t begins: at least where its row of the batch does. */
export function firstOf(t: number, starts: Tensor | undefined, length: number | undefined): number {
  return Math.max(starts?.data[t] ?? 0, length ? t - (t % length) : 0)
}
