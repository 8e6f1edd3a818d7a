import type { BlockDtype, FloatDtype, WeightDtype } from '../../base/dtypes.ts'
import { defineKernel } from '../kernel.ts'

/** Whole blocks of 32 outputs, so that the part that has made them may quantise them. */
const split = { items: [{ dim: 'rows', each: 32 }], own: ['y'], ownWhenOne: ['tokens'], fine: true } as const

/** Added once, when an output is stored. */
const bias = { dtype: 'f32', access: 'read', shape: ['rows'], optional: true } as const

function floatLinear<W extends FloatDtype>(dtype: W) {
  return defineKernel({
    name: `linear_fwd_${dtype}`,
    family: 'linear',
    dtype,
    dims: ['tokens', 'rows', 'cols', 'xRow', 'yRow'],
    attributes: {},
    buffers: {
      x: { dtype: 'f32', access: 'read', shape: ['tokens', 'cols'], rowStride: 'xRow' },
      w: { dtype, access: 'read', shape: ['rows', 'cols'], layout: 'panels' },
      bias,
      y: { dtype: 'f32', access: 'write', shape: ['tokens', 'rows'], rowStride: 'yRow' },
    },
    inPlace: [],
    split,
    flops: ({ tokens, rows, cols }) => 2 * tokens * rows * cols,
  })
}

function quantisedLinear<W extends BlockDtype>(dtype: W) {
  return defineKernel({
    name: `linear_fwd_${dtype}`,
    family: 'linear',
    dtype,
    dims: ['tokens', 'rows', 'cols', 'yRow'],
    attributes: {},
    buffers: {
      x: { dtype: 'a8', access: 'read', shape: ['tokens', 'cols'] },
      w: { dtype, access: 'read', shape: ['rows', 'cols'], layout: 'panels' },
      bias,
      y: { dtype: 'f32', access: 'write', shape: ['tokens', 'rows'], rowStride: 'yRow' },
    },
    inPlace: [],
    split,
    flops: ({ tokens, rows, cols }) => 2 * tokens * rows * cols,
  })
}

function floatLinearGlu<W extends FloatDtype>(dtype: W) {
  return defineKernel({
    name: `linearGlu_fwd_${dtype}`,
    family: 'linear',
    dtype,
    dims: ['tokens', 'rows', 'cols', 'xRow', 'yRow'],
    attributes: { activation: 'int64_t' },
    buffers: {
      x: { dtype: 'f32', access: 'read', shape: ['tokens', 'cols'], rowStride: 'xRow' },
      w: { dtype, access: 'read', shape: [2, 'rows', 'cols'], layout: 'panelPairs' },
      y: { dtype: 'f32', access: 'write', shape: ['tokens', 'rows'], rowStride: 'yRow' },
    },
    inPlace: [],
    split,
    flops: ({ tokens, rows, cols }) => 4 * tokens * rows * cols,
  })
}

function quantisedLinearGlu<W extends BlockDtype>(dtype: W) {
  return defineKernel({
    name: `linearGlu_fwd_${dtype}`,
    family: 'linear',
    dtype,
    dims: ['tokens', 'rows', 'cols', 'yRow'],
    attributes: { activation: 'int64_t' },
    buffers: {
      x: { dtype: 'a8', access: 'read', shape: ['tokens', 'cols'] },
      w: { dtype, access: 'read', shape: [2, 'rows', 'cols'], layout: 'panelPairs' },
      y: { dtype: 'f32', access: 'write', shape: ['tokens', 'rows'], rowStride: 'yRow' },
    },
    inPlace: [],
    split,
    flops: ({ tokens, rows, cols }) => 4 * tokens * rows * cols,
  })
}

/**
 * y = x · wᵀ + bias. Block formats take x as a8: per block of 32 columns, or half block where a scale belongs to 16, in order,
 * y += (scale_w · scale_x) · (exact integer dot), then y += offset_w · (scale_x · sum of x's codes) where the format has
 * offsets. Float formats: one multiply-add per column, in order. The bias comes last.
 */
export const linearForward = {
  f32: floatLinear('f32'),
  f16: floatLinear('f16'),
  bf16: floatLinear('bf16'),
  q8_0: quantisedLinear('q8_0'),
  q4_0: quantisedLinear('q4_0'),
  q4_1: quantisedLinear('q4_1'),
  q5_0: quantisedLinear('q5_0'),
  q5_1: quantisedLinear('q5_1'),
  q2_K: quantisedLinear('q2_K'),
  q3_K: quantisedLinear('q3_K'),
  q4_K: quantisedLinear('q4_K'),
  q5_K: quantisedLinear('q5_K'),
  q6_K: quantisedLinear('q6_K'),
  iq4_nl: quantisedLinear('iq4_nl'),
  iq4_xs: quantisedLinear('iq4_xs'),
  mxfp4: quantisedLinear('mxfp4'),
} as const satisfies Record<WeightDtype, unknown>

/**
 * y = activation(x · gateᵀ) * (x · upᵀ), w holding gate and up as panel pairs; `rows` counts the rows of one of them.
 * `activation` is one of activationCodes.
 */
export const linearGluForward = {
  f32: floatLinearGlu('f32'),
  f16: floatLinearGlu('f16'),
  bf16: floatLinearGlu('bf16'),
  q8_0: quantisedLinearGlu('q8_0'),
  q4_0: quantisedLinearGlu('q4_0'),
  q4_1: quantisedLinearGlu('q4_1'),
  q5_0: quantisedLinearGlu('q5_0'),
  q5_1: quantisedLinearGlu('q5_1'),
  q2_K: quantisedLinearGlu('q2_K'),
  q3_K: quantisedLinearGlu('q3_K'),
  q4_K: quantisedLinearGlu('q4_K'),
  q5_K: quantisedLinearGlu('q5_K'),
  q6_K: quantisedLinearGlu('q6_K'),
  iq4_nl: quantisedLinearGlu('iq4_nl'),
  iq4_xs: quantisedLinearGlu('iq4_xs'),
  mxfp4: quantisedLinearGlu('mxfp4'),
} as const satisfies Record<WeightDtype, unknown>
