import type { FloatDtype } from '../../base/dtypes.ts'
import { defineKernel } from '../kernel.ts'

/** Which operands are stored transposed: `n` as in the formula, `t` with its axes exchanged; first that of a, then of b. */
export type MatmulForm = 'nn' | 'nt' | 'tn' | 'tt'

function matmul<F extends MatmulForm, B extends FloatDtype>(form: F, dtype: B) {
  return defineKernel({
    name: `matmul_fwd_${form}_${dtype}`,
    family: 'matmul',
    dims: ['rows', 'cols', 'depth', 'room', 'aRow', 'bRow', 'sumRow', 'yRow'],
    attributes: {},
    buffers: {
      a: {
        dtype: 'f32',
        access: 'read',
        shape: form[0] === 'n' ? ['rows', 'depth'] : ['depth', 'rows'],
        rowStride: 'aRow',
      },
      b: { dtype, access: 'read', shape: form[1] === 'n' ? ['depth', 'cols'] : ['cols', 'depth'], rowStride: 'bRow' },
      sum: { dtype: 'f32', access: 'read', shape: ['rows', 'cols'], rowStride: 'sumRow', optional: true },
      y: { dtype: 'f32', access: 'write', shape: ['rows', 'cols'], rowStride: 'yRow' },
      scratch: { dtype: 'f32', access: 'write', shape: ['room'], scratch: true },
    },
    inPlace: [['y', 'sum']],
    split: { items: ['rows', 'cols'], own: [] },
    flops: ({ rows, cols, depth }) => 2 * rows * cols * depth,
  })
}

/** Elements of scratch that one part needs, whatever the instruction set. */
export const leastRoom = 1024

/** Elements of scratch for which one part copies op(b) once, up to some 1100 rows of op(a). */
export const bestRoom = 983_040

function everyDtype<F extends MatmulForm>(form: F) {
  return { f32: matmul(form, 'f32'), f16: matmul(form, 'f16'), bf16: matmul(form, 'bf16') } as const
}

/**
 * y = sum + op(a) · op(b), or without sum. Every element of y is one chain: it begins with that of sum (or 0) and has one
 * multiply-add per step of depth, in order; f16 and bf16 are widened first. So a product over two halves of depth, the
 * second added to the first, has the bits of the whole.
 *
 * sumRow 0 adds one row, sum's first, to all rows.
 *
 * The parts divide the scratch among them; its size has no effect on the bits. It needs `leastRoom` elements; more parts
 * than it has room for stand idle, and a part is at its best with `bestRoom`.
 */
export const matmulForward = {
  nn: everyDtype('nn'),
  nt: everyDtype('nt'),
  tn: everyDtype('tn'),
  tt: everyDtype('tt'),
} as const satisfies Record<MatmulForm, Record<FloatDtype, unknown>>
