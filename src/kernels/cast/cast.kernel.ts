import { defineKernel } from '../kernel.ts'

const sizes = ['rows', 'cols', 'xRow', 'yRow'] as const

/** y = x, rounded to the nearest bf16, ties to even. */
export const narrowForward = defineKernel({
  name: 'cast_fwd_f32_bf16',
  family: 'cast',
  dims: sizes,
  attributes: {},
  buffers: {
    x: { dtype: 'f32', access: 'read', shape: ['rows', 'cols'], rowStride: 'xRow' },
    y: { dtype: 'bf16', access: 'write', shape: ['rows', 'cols'], rowStride: 'yRow' },
  },
  inPlace: [],
  split: { items: ['rows'], own: ['x', 'y'] },
  flops: () => 0,
})

/** y = x, exactly. */
export const widenForward = defineKernel({
  name: 'cast_fwd_bf16_f32',
  family: 'cast',
  dims: sizes,
  attributes: {},
  buffers: {
    x: { dtype: 'bf16', access: 'read', shape: ['rows', 'cols'], rowStride: 'xRow' },
    y: { dtype: 'f32', access: 'write', shape: ['rows', 'cols'], rowStride: 'yRow' },
  },
  inPlace: [],
  split: { items: ['rows'], own: ['x', 'y'] },
  flops: () => 0,
})
