import { isWeightDtype, type WeightDtype } from '../base/dtypes.ts'
import { fail } from '../base/errors.ts'
import type { Dim, TensorType } from '../ir/graph.ts'

/** The size of the last axis, which is always a number where a type has two axes or more. */
export function lastAxis(type: TensorType): number {
  return Number(type.shape.at(-1))
}

/** The size of axis `at`, which must be a number. */
export function axis(type: TensorType, at: number): number {
  return Number(type.shape[at])
}

/** Product of the axes from `from` on. */
export function widthFrom(type: TensorType, from: number): number {
  return type.shape.slice(from).reduce<number>((product, dim) => product * Number(dim), 1)
}

/** An f32 type of this shape. */
export function denseRow(shape: readonly Dim[]): TensorType {
  return { dtype: 'f32', shape }
}

/** The dtype of a weight operand; refuses one that no checkpoint has. */
export function weightDtypeOf(type: TensorType): WeightDtype {
  return isWeightDtype(type.dtype)
    ? type.dtype
    : fail('graph_invalid', { where: type.dtype, what: 'is not a weight format' })
}
