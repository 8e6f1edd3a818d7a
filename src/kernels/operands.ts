/** Operands that kernels of several families have, in f32. `rowStride`: the size that is the distance of two rows. */

type Access = 'read' | 'write'

/** [rows, cols] */
export const rowsOf = <const A extends Access, const S extends string>(access: A, rowStride: S) =>
  ({ dtype: 'f32', access, shape: ['rows', 'cols'], rowStride }) as const

/** [rows, groups, cols]: vectors of cols numbers, of which a row has `groups`. */
export const vectorsOf = <const A extends Access, const S extends string>(access: A, rowStride: S) =>
  ({ dtype: 'f32', access, shape: ['rows', 'groups', 'cols'], rowStride }) as const

/** [cols]: a parameter, or the gradient of one, that all rows share. */
export const perColumn = <const A extends Access>(access: A) => ({ dtype: 'f32', access, shape: ['cols'] }) as const
