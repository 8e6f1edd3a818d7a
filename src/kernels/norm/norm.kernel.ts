import { defineKernel } from '../kernel.ts'

/** y = x * gain / sqrt(mean(x²) + eps), the mean over cols. */
export const rmsNormForward = defineKernel({
  name: 'rmsNorm_fwd_f32',
  family: 'norm',
  dims: ['rows', 'groups', 'cols', 'xRow', 'yRow'],
  attributes: { eps: 'float' },
  buffers: {
    x: { dtype: 'f32', access: 'read', shape: ['rows', 'groups', 'cols'], rowStride: 'xRow' },
    gain: { dtype: 'f32', access: 'read', shape: ['cols'] },
    y: { dtype: 'f32', access: 'write', shape: ['rows', 'groups', 'cols'], rowStride: 'yRow' },
  },
  inPlace: [['y', 'x']],
  split: { items: ['rows', 'groups'], own: ['x', 'y'] },
  flops: ({ rows, groups, cols }) => 4 * rows * groups * cols,
})

/** y = (x - mean(x)) * gain / sqrt(mean((x - mean(x))²) + eps) + bias, the means over cols. */
export const layerNormForward = defineKernel({
  name: 'layerNorm_fwd_f32',
  family: 'norm',
  dims: ['rows', 'groups', 'cols', 'xRow', 'yRow'],
  attributes: { eps: 'float' },
  buffers: {
    x: { dtype: 'f32', access: 'read', shape: ['rows', 'groups', 'cols'], rowStride: 'xRow' },
    gain: { dtype: 'f32', access: 'read', shape: ['cols'] },
    bias: { dtype: 'f32', access: 'read', shape: ['cols'], optional: true },
    y: { dtype: 'f32', access: 'write', shape: ['rows', 'groups', 'cols'], rowStride: 'yRow' },
  },
  inPlace: [['y', 'x']],
  split: { items: ['rows', 'groups'], own: ['x', 'y'] },
  flops: ({ rows, groups, cols }) => 8 * rows * groups * cols,
})

/** sum = x + delta; y = rmsNorm(sum). At most one of sum and y may be the same bytes as one input. */
export const residualRmsNormForward = defineKernel({
  name: 'residualRmsNorm_fwd_f32',
  family: 'norm',
  dims: ['rows', 'cols'],
  attributes: { eps: 'float' },
  buffers: {
    x: { dtype: 'f32', access: 'read', shape: ['rows', 'cols'] },
    delta: { dtype: 'f32', access: 'read', shape: ['rows', 'cols'] },
    gain: { dtype: 'f32', access: 'read', shape: ['cols'] },
    sum: { dtype: 'f32', access: 'write', shape: ['rows', 'cols'] },
    y: { dtype: 'f32', access: 'write', shape: ['rows', 'cols'] },
  },
  inPlace: [
    ['sum', 'x'],
    ['sum', 'delta'],
    ['y', 'delta'],
  ],
  split: { items: ['rows'], own: ['x', 'delta', 'sum', 'y'] },
  flops: ({ rows, cols }) => 5 * rows * cols,
})

/** y = x / sqrt(sum(x²) + eps), the sum over cols. */
export const l2NormForward = defineKernel({
  name: 'l2Norm_fwd_f32',
  family: 'norm',
  dims: ['rows', 'groups', 'cols', 'xRow', 'yRow'],
  attributes: { eps: 'float' },
  buffers: {
    x: { dtype: 'f32', access: 'read', shape: ['rows', 'groups', 'cols'], rowStride: 'xRow' },
    y: { dtype: 'f32', access: 'write', shape: ['rows', 'groups', 'cols'], rowStride: 'yRow' },
  },
  inPlace: [['y', 'x']],
  split: { items: ['rows', 'groups'], own: ['x', 'y'] },
  flops: ({ rows, groups, cols }) => 3 * rows * groups * cols,
})

/** y = rmsNorm(x) * gate / (1 + exp(-gate)). */
export const gatedRmsNormForward = defineKernel({
  name: 'gatedRmsNorm_fwd_f32',
  family: 'norm',
  dims: ['rows', 'groups', 'cols', 'xRow', 'gateRow', 'yRow'],
  attributes: { eps: 'float' },
  buffers: {
    x: { dtype: 'f32', access: 'read', shape: ['rows', 'groups', 'cols'], rowStride: 'xRow' },
    gate: { dtype: 'f32', access: 'read', shape: ['rows', 'groups', 'cols'], rowStride: 'gateRow' },
    gain: { dtype: 'f32', access: 'read', shape: ['cols'] },
    y: { dtype: 'f32', access: 'write', shape: ['rows', 'groups', 'cols'], rowStride: 'yRow' },
  },
  inPlace: [
    ['y', 'x'],
    ['y', 'gate'],
  ],
  split: { items: ['rows', 'groups'], own: ['x', 'gate', 'y'] },
  flops: ({ rows, groups, cols }) => 20 * rows * groups * cols,
})
