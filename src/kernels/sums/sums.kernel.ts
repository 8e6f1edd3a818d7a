import { defineKernel } from '../kernel.ts'

/** y = sum + Σ x over the rows and groups in their order, one chain per column; without sum from 0. */
export const sumRowsForward = defineKernel({
  name: 'sumRows_fwd_f32',
  family: 'sums',
  dims: ['rows', 'groups', 'cols', 'xRow'],
  attributes: {},
  buffers: {
    x: { dtype: 'f32', access: 'read', shape: ['rows', 'groups', 'cols'], rowStride: 'xRow' },
    sum: { dtype: 'f32', access: 'read', shape: ['cols'], optional: true },
    y: { dtype: 'f32', access: 'write', shape: ['cols'] },
  },
  inPlace: [['y', 'sum']],
  split: { items: [{ dim: 'cols', each: 16 }], own: ['sum', 'y'] },
  flops: ({ rows, groups, cols }) => rows * groups * cols,
})

/**
 * dx[r] = sum[r] + Σ dy[i] over the i with index[i] = r, in their order, one chain per element; without sum from 0. What has
 * the index `without` is left out. Other indices must be in 0 .. rows - 1.
 */
export const takeRowsGradient = defineKernel({
  name: 'takeRows_bwd_f32',
  family: 'sums',
  dims: ['rows', 'outputs', 'cols', 'dyRow'],
  attributes: { without: 'int64_t' },
  buffers: {
    dy: { dtype: 'f32', access: 'read', shape: ['outputs', 'cols'], rowStride: 'dyRow' },
    index: { dtype: 'i32', access: 'read', shape: ['outputs'] },
    sum: { dtype: 'f32', access: 'read', shape: ['rows', 'cols'], optional: true },
    dx: { dtype: 'f32', access: 'write', shape: ['rows', 'cols'] },
  },
  inPlace: [['dx', 'sum']],
  split: { items: [{ dim: 'cols', each: 16 }], own: [] },
  flops: ({ outputs, cols }) => outputs * cols,
})

/** y = value. */
export const fillForward = defineKernel({
  name: 'fill_fwd_f32',
  family: 'sums',
  dims: ['rows', 'cols'],
  attributes: { value: 'float' },
  buffers: { y: { dtype: 'f32', access: 'write', shape: ['rows', 'cols'] } },
  inPlace: [],
  split: { items: ['rows'], own: ['y'] },
  flops: () => 0,
})
