import { defineKernel } from '../kernel.ts'

/** y = exp(x - max) / sum of the same over each row. */
export const softmaxForward = defineKernel({
  name: 'softmax_fwd_f32',
  family: 'softmax',
  dims: ['rows', 'cols', 'xRow', 'yRow'],
  attributes: {},
  buffers: {
    x: { dtype: 'f32', access: 'read', shape: ['rows', 'cols'], rowStride: 'xRow' },
    y: { dtype: 'f32', access: 'write', shape: ['rows', 'cols'], rowStride: 'yRow' },
  },
  inPlace: [['y', 'x']],
  split: { items: ['rows'], own: ['x', 'y'] },
  flops: ({ rows, cols }) => 16 * rows * cols,
})
