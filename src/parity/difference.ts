import { dtypes } from '../base/dtypes.ts'
import type { Tolerance } from '../ir/op.ts'
import type { Tensor } from '../ir/tensor.ts'

/** How far numbers are from their reference, and where most. */
export interface Difference {
  /** Largest absolute error over f32's epsilon times the largest magnitude of the reference. */
  readonly epsilons: number
  /** Mean squared error over mean square of the reference. */
  readonly nmse: number
  readonly worst: { readonly row: number; readonly element: number; readonly expected: number; readonly found: number }
}

/** Compares element by element; a NaN on one side only, or an infinity, counts as an infinite error. */
export function compareTensors(expected: Tensor, found: Tensor): Difference {
  const cols = expected.shape.slice(1).reduce((product, dim) => product * dim, 1)
  let largest = 0
  let squares = 0
  let errors = 0
  let worstError = -1
  let worstAt = 0
  expected.data.forEach((value, i) => {
    const other = found.data[i] ?? Number.NaN
    const error = Object.is(value, other) ? 0 : Math.abs(value - other)
    const finite = Number.isNaN(error) ? Number.POSITIVE_INFINITY : error
    largest = Math.max(largest, Math.abs(value))
    squares += value * value
    errors += finite * finite
    if (finite > worstError) {
      worstError = finite
      worstAt = i
    }
  })
  return {
    epsilons: worstError <= 0 ? 0 : worstError / (dtypes.f32.epsilon * (largest || Number.MIN_VALUE)),
    nmse: errors === 0 ? 0 : errors / squares,
    worst: {
      row: Math.floor(worstAt / (cols || 1)),
      element: worstAt % (cols || 1),
      expected: expected.data[worstAt] ?? 0,
      found: found.data[worstAt] ?? 0,
    },
  }
}

/** Whether a difference is within what the op allows. */
export function isWithin({ epsilons, nmse }: Difference, tolerance: Tolerance): boolean {
  return tolerance.nmse === undefined ? epsilons <= tolerance.relative : nmse <= tolerance.nmse
}
