import { defineKernel } from '../kernel.ts'

function attention<C extends 'f32' | 'f16'>(dtype: C) {
  return defineKernel({
    name: `attention_fwd_${dtype}`,
    family: 'attention',
    dims: ['tokens', 'heads', 'kvHeads', 'width', 'context', 'sequenceCount', 'qRow', 'yRow'],
    attributes: { scale: 'float' },
    buffers: {
      q: { dtype: 'f32', access: 'read', shape: ['tokens', 'heads', 'width'], rowStride: 'qRow' },
      keys: {
        dtype,
        access: 'read',
        shape: ['sequenceCount', 'kvHeads', 'context', 'width'],
        layout: 'keyPanels',
      },
      values: { dtype, access: 'read', shape: ['sequenceCount', 'kvHeads', 'context', 'width'] },
      positions: { dtype: 'i32', access: 'read', shape: ['tokens'] },
      sequences: { dtype: 'i32', access: 'read', shape: ['tokens'] },
      y: { dtype: 'f32', access: 'write', shape: ['tokens', 'heads', 'width'], rowStride: 'yRow' },
    },
    inPlace: [],
    split: { items: ['kvHeads', 'tokens'], own: ['q', 'y'], ownWhenOne: ['tokens'] },
    // The positions are data, so this counts the whole context: an upper bound.
    flops: ({ tokens, heads, width, context }) => 4 * tokens * heads * width * context,
  })
}

/**
 * Causal attention with grouped heads: y[t, h] = softmax(scale * q[t, h] · keys) · values over the positions
 * 0 .. positions[t] of sequence sequences[t], query head h with cache head floor(h / (heads / kvHeads)).
 * What the cache holds beyond the position may be any bytes.
 */
export const attentionForward = { f32: attention('f32'), f16: attention('f16') } as const
