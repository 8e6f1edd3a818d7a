import { defineKernel } from '../kernel.ts'

/** y = x, between strides. */
export const copyForward = defineKernel({
  name: 'copy_fwd_f32',
  family: 'rows',
  dims: ['rows', 'cols', 'xRow', 'yRow'],
  attributes: {},
  buffers: {
    x: { dtype: 'f32', access: 'read', shape: ['rows', 'cols'], rowStride: 'xRow' },
    y: { dtype: 'f32', access: 'write', shape: ['rows', 'cols'], rowStride: 'yRow' },
  },
  inPlace: [],
  split: { items: ['rows'], own: ['x', 'y'] },
  flops: () => 0,
})

/** y[t, h] = the columns from .. from + width - 1 of head h of x, whose heads are `wide` columns apart. */
export const sliceHeadsForward = defineKernel({
  name: 'sliceHeads_fwd_f32',
  family: 'rows',
  dims: ['rows', 'heads', 'width', 'wide', 'xRow', 'yRow'],
  attributes: { from: 'int64_t' },
  buffers: {
    x: { dtype: 'f32', access: 'read', shape: ['rows', 'heads', 'wide'], rowStride: 'xRow' },
    y: { dtype: 'f32', access: 'write', shape: ['rows', 'heads', 'width'], rowStride: 'yRow' },
  },
  inPlace: [],
  split: { items: ['rows', 'heads'], own: ['x', 'y'] },
  flops: () => 0,
})

/**
 * dx = sum, with dy added to the columns from .. from + width - 1 of each head, whose heads are `wide` columns apart; without sum
 * the others are 0.
 */
export const sliceHeadsGradient = defineKernel({
  name: 'sliceHeads_bwd_f32',
  family: 'rows',
  dims: ['rows', 'heads', 'width', 'wide', 'dyRow', 'sumRow', 'dxRow'],
  attributes: { from: 'int64_t' },
  buffers: {
    dy: { dtype: 'f32', access: 'read', shape: ['rows', 'heads', 'width'], rowStride: 'dyRow' },
    sum: { dtype: 'f32', access: 'read', shape: ['rows', 'heads', 'wide'], rowStride: 'sumRow', optional: true },
    dx: { dtype: 'f32', access: 'write', shape: ['rows', 'heads', 'wide'], rowStride: 'dxRow' },
  },
  inPlace: [['dx', 'sum']],
  split: { items: ['rows', 'heads'], own: ['dy', 'sum', 'dx'] },
  flops: ({ rows, heads, width }) => rows * heads * width,
})

/** y[0] = the mean of the rows of x. */
export const meanRowsForward = defineKernel({
  name: 'meanRows_fwd_f32',
  family: 'rows',
  dims: ['rows', 'cols', 'xRow'],
  attributes: {},
  buffers: {
    x: { dtype: 'f32', access: 'read', shape: ['rows', 'cols'], rowStride: 'xRow' },
    y: { dtype: 'f32', access: 'write', shape: [1, 'cols'] },
  },
  inPlace: [],
  split: { items: [{ dim: 'cols', each: 16 }], own: [] },
  flops: ({ rows, cols }) => rows * cols,
})

/** dx = dy / taken in the first `taken` rows, 0 in the others. */
export const meanRowsGradient = defineKernel({
  name: 'meanRows_bwd_f32',
  family: 'rows',
  dims: ['rows', 'taken', 'cols'],
  attributes: {},
  buffers: {
    dy: { dtype: 'f32', access: 'read', shape: [1, 'cols'] },
    dx: { dtype: 'f32', access: 'write', shape: ['rows', 'cols'] },
  },
  inPlace: [],
  split: { items: ['rows'], own: ['dx'] },
  mixesRows: true,
  flops: ({ taken, cols }) => taken * cols,
})

function takeRows<D extends 'f32' | 'bf16'>(dtype: D) {
  return defineKernel({
    name: `takeRows_fwd_${dtype}`,
    family: 'rows',
    dims: ['rows', 'outputs', 'cols', 'xRow'],
    attributes: {},
    buffers: {
      x: { dtype, access: 'read', shape: ['rows', 'cols'], rowStride: 'xRow', touched: 'outputs' },
      index: { dtype: 'i32', access: 'read', shape: ['outputs'] },
      y: { dtype: 'f32', access: 'write', shape: ['outputs', 'cols'] },
    },
    inPlace: [],
    split: { items: ['outputs'], own: ['index', 'y'] },
    flops: () => 0,
  })
}

/** y[i] = x[index[i]], widened. Indices must be in 0 .. rows - 1. */
export const takeRowsForward = { f32: takeRows('f32'), bf16: takeRows('bf16') } as const
