import { defineKernel } from '../kernel.ts'

/**
 * Rows of f32 to a8, per block of 32: scale = max|x| / 127, code = x * (127 / max|x|) to the nearest integer, ties to
 * even. `pieces` divides the blocks of a row. A block whose max|x| is below 2^-100 becomes zero; one with a NaN or an infinity gets a NaN scale.
 */
export const quantizeForward = defineKernel({
  name: 'quantize_fwd_a8',
  family: 'quantize',
  dims: ['tokens', 'cols', 'pieces', 'xRow'],
  attributes: {},
  buffers: {
    x: { dtype: 'f32', access: 'read', shape: ['tokens', 'cols'], rowStride: 'xRow' },
    y: { dtype: 'a8', access: 'write', shape: ['tokens', 'cols'] },
  },
  inPlace: [],
  split: { items: ['tokens', 'pieces'], own: ['x', 'y'], free: { dim: 'pieces', like: 'x' } },
  flops: ({ tokens, cols }) => 3 * tokens * cols,
})
