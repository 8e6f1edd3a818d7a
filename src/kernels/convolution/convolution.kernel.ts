import { defineKernel } from '../kernel.ts'

/** The most taps that a convolution takes: CK_MOST_TAPS in convolution.c. */
export const mostTaps = 16

/**
 * y[t, c] = f(Σj w[c, j] · x[t - taps + 1 + j, c]) over the tokens of each sequence in order, f being x / (1 + exp(-x)) where
 * `silu` is 1, else nothing. What stood before the step is in the state, the oldest first, and the last taps - 1 inputs of a
 * sequence are left there; a token at position 0 has nothing before it, whatever the state holds. taps is 2 to `mostTaps`.
 */
export const causalConvolutionForward = defineKernel({
  name: 'causalConvolution_fwd_f32',
  family: 'convolution',
  dims: ['tokens', 'channels', 'taps', 'held', 'sequenceCount', 'xRow', 'yRow'],
  attributes: { silu: 'int64_t' },
  buffers: {
    x: { dtype: 'f32', access: 'read', shape: ['tokens', 'channels'], rowStride: 'xRow' },
    w: { dtype: 'f32', access: 'read', shape: ['channels', 'taps'], layout: 'panels' },
    positions: { dtype: 'i32', access: 'read', shape: ['tokens'] },
    sequences: { dtype: 'i32', access: 'read', shape: ['tokens'] },
    state: { dtype: 'f32', access: 'update', shape: ['sequenceCount', 'held', 'channels'] },
    y: { dtype: 'f32', access: 'write', shape: ['tokens', 'channels'], rowStride: 'yRow' },
  },
  inPlace: [],
  split: { items: [{ dim: 'channels', each: 64 }], own: [] },
  flops: ({ tokens, channels, taps }) => (2 * taps + 15) * tokens * channels,
})

/**
 * The same over the rows of x as they lie, without a state: tokens are `batch` rows of equal length, one behind the other. A
 * sequence begins with each, and where `starts` of a token, the row at which its sequence begins, is its own row.
 */
export const causalConvolutionRowsForward = defineKernel({
  name: 'causalConvolutionRows_fwd_f32',
  family: 'convolution',
  dims: ['tokens', 'batch', 'channels', 'taps', 'xRow', 'yRow'],
  attributes: { silu: 'int64_t' },
  buffers: {
    x: { dtype: 'f32', access: 'read', shape: ['tokens', 'channels'], rowStride: 'xRow' },
    w: { dtype: 'f32', access: 'read', shape: ['channels', 'taps'] },
    starts: { dtype: 'i32', access: 'read', shape: ['tokens'], optional: true },
    y: { dtype: 'f32', access: 'write', shape: ['tokens', 'channels'], rowStride: 'yRow' },
  },
  inPlace: [],
  split: { items: ['batch', { dim: 'channels', each: 64 }], own: [] },
  mixesRows: true,
  flops: ({ tokens, channels, taps }) => (2 * taps + 15) * tokens * channels,
})

/**
 * The gradients of causalConvolutionRows, whose sums s are computed again: with ds = dy · f'(s), dx[u, c] = Σj w[c, j] ·
 * ds[u + taps - 1 - j, c] within the sequence, dw[c, j] = sum[c, j] + Σt ds[t, c] · x[t - taps + 1 + j, c]: one chain over all
 * tokens in their order; without sum from 0.
 */
export const causalConvolutionBackward = defineKernel({
  name: 'causalConvolution_bwd_f32',
  family: 'convolution',
  dims: ['tokens', 'batch', 'channels', 'taps', 'xRow', 'dyRow', 'dxRow'],
  attributes: { silu: 'int64_t' },
  buffers: {
    x: { dtype: 'f32', access: 'read', shape: ['tokens', 'channels'], rowStride: 'xRow' },
    w: { dtype: 'f32', access: 'read', shape: ['channels', 'taps'] },
    starts: { dtype: 'i32', access: 'read', shape: ['tokens'], optional: true },
    dy: { dtype: 'f32', access: 'read', shape: ['tokens', 'channels'], rowStride: 'dyRow' },
    sum: { dtype: 'f32', access: 'read', shape: ['channels', 'taps'], optional: true },
    dx: { dtype: 'f32', access: 'write', shape: ['tokens', 'channels'], rowStride: 'dxRow' },
    dw: { dtype: 'f32', access: 'write', shape: ['channels', 'taps'] },
  },
  inPlace: [['dw', 'sum']],
  split: { items: [{ dim: 'channels', each: 16 }], own: [] },
  mixesRows: true,
  flops: ({ tokens, channels, taps }) => (6 * taps + 20) * tokens * channels,
})
