import type { WeightDtype } from '../../base/dtypes.ts'
import { defineKernel } from '../kernel.ts'

function floatLinear<W extends 'f32' | 'f16' | 'bf16'>(dtype: W) {
  return defineKernel({
    name: `linear_fwd_${dtype}`,
    family: 'linear',
    dims: ['tokens', 'rows', 'cols', 'xRow', 'yRow'],
    attributes: {},
    buffers: {
      x: { dtype: 'f32', access: 'read', shape: ['tokens', 'cols'], rowStride: 'xRow' },
      w: { dtype, access: 'read', shape: ['rows', 'cols'], layout: 'panels' },
      y: { dtype: 'f32', access: 'write', shape: ['tokens', 'rows'], rowStride: 'yRow' },
    },
    inPlace: [],
    split: { items: ['rows'], own: [] },
    flops: ({ tokens, rows, cols }) => 2 * tokens * rows * cols,
  })
}

function quantisedLinear<W extends 'q8_0' | 'q4_0'>(dtype: W) {
  return defineKernel({
    name: `linear_fwd_${dtype}`,
    family: 'linear',
    dims: ['tokens', 'rows', 'cols', 'yRow'],
    attributes: {},
    buffers: {
      x: { dtype: 'a8', access: 'read', shape: ['tokens', 'cols'] },
      w: { dtype, access: 'read', shape: ['rows', 'cols'], layout: 'panels' },
      y: { dtype: 'f32', access: 'write', shape: ['tokens', 'rows'], rowStride: 'yRow' },
    },
    inPlace: [],
    split: { items: ['rows'], own: [] },
    flops: ({ tokens, rows, cols }) => 2 * tokens * rows * cols,
  })
}

function floatLinearSwiglu<W extends 'f32' | 'f16' | 'bf16'>(dtype: W) {
  return defineKernel({
    name: `linearSwiglu_fwd_${dtype}`,
    family: 'linear',
    dims: ['tokens', 'rows', 'cols', 'xRow', 'yRow'],
    attributes: {},
    buffers: {
      x: { dtype: 'f32', access: 'read', shape: ['tokens', 'cols'], rowStride: 'xRow' },
      w: { dtype, access: 'read', shape: [2, 'rows', 'cols'], layout: 'panelPairs' },
      y: { dtype: 'f32', access: 'write', shape: ['tokens', 'rows'], rowStride: 'yRow' },
    },
    inPlace: [],
    split: { items: ['rows'], own: [] },
    flops: ({ tokens, rows, cols }) => 4 * tokens * rows * cols,
  })
}

function quantisedLinearSwiglu<W extends 'q8_0' | 'q4_0'>(dtype: W) {
  return defineKernel({
    name: `linearSwiglu_fwd_${dtype}`,
    family: 'linear',
    dims: ['tokens', 'rows', 'cols', 'yRow'],
    attributes: {},
    buffers: {
      x: { dtype: 'a8', access: 'read', shape: ['tokens', 'cols'] },
      w: { dtype, access: 'read', shape: [2, 'rows', 'cols'], layout: 'panelPairs' },
      y: { dtype: 'f32', access: 'write', shape: ['tokens', 'rows'], rowStride: 'yRow' },
    },
    inPlace: [],
    split: { items: ['rows'], own: [] },
    flops: ({ tokens, rows, cols }) => 4 * tokens * rows * cols,
  })
}

/**
 * y = x · wᵀ. Block formats take x as a8: per block of 32 columns, in order, y += (scale_w · scale_x) · (exact integer
 * dot). Float formats: one multiply-add per column, in order.
 */
export const linearForward = {
  f32: floatLinear('f32'),
  f16: floatLinear('f16'),
  bf16: floatLinear('bf16'),
  q8_0: quantisedLinear('q8_0'),
  q4_0: quantisedLinear('q4_0'),
} as const satisfies Record<WeightDtype, unknown>

/** y = silu(x · gateᵀ) * (x · upᵀ), w holding gate and up as panel pairs; `rows` counts the rows of one of them. */
export const linearSwigluForward = {
  f32: floatLinearSwiglu('f32'),
  f16: floatLinearSwiglu('f16'),
  bf16: floatLinearSwiglu('bf16'),
  q8_0: quantisedLinearSwiglu('q8_0'),
  q4_0: quantisedLinearSwiglu('q4_0'),
} as const satisfies Record<WeightDtype, unknown>
