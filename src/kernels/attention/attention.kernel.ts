import { defineKernel } from '../kernel.ts'

/** Formats of key and value caches. */
export type CacheDtype = 'f32' | 'f16' | 'q8_0'

/**
 * Positions of a segment, counted from 0: an online softmax runs over each, and segments are merged in order. The same
 * number as CK_SEGMENT in attend.h.
 */
export const segmentPositions = 1024

/** The widest head that attention takes: CK_ROW_FLOATS in attend.h. */
export const widestHead = 8192

function caches<C extends CacheDtype>(dtype: C) {
  const shape = ['sequenceCount', 'kvHeads', 'context', 'width'] as const
  return {
    keys: { dtype, access: 'read', shape, layout: 'keyPanels' },
    values: { dtype, access: 'read', shape, layout: 'valuePanels' },
    positions: { dtype: 'i32', access: 'read', shape: ['tokens'] },
    sequences: { dtype: 'i32', access: 'read', shape: ['tokens'] },
  } as const
}

const queries = { dtype: 'f32', access: 'read', shape: ['tokens', 'heads', 'width'], rowStride: 'qRow' } as const
const result = { dtype: 'f32', access: 'write', shape: ['tokens', 'heads', 'width'], rowStride: 'yRow' } as const
const shapes = ['tokens', 'heads', 'kvHeads', 'width', 'context', 'sequenceCount'] as const

// The positions are data, so this counts the whole context: an upper bound.
const products = ({ tokens, heads, width, context }: Record<'tokens' | 'heads' | 'width' | 'context', number>) =>
  4 * tokens * heads * width * context

function attention<C extends CacheDtype>(dtype: C) {
  return defineKernel({
    name: `attention_fwd_${dtype}`,
    family: 'attention',
    dtype,
    dims: [...shapes, 'qRow', 'yRow'],
    attributes: { window: 'int64_t', scale: 'float', softCap: 'float' },
    buffers: { q: queries, ...caches(dtype), y: result },
    inPlace: [],
    split: { items: ['kvHeads', 'tokens'], own: ['q', 'y'], ownWhenOne: ['tokens'] },
    flops: products,
  })
}

function attentionSegments<C extends CacheDtype>(dtype: C) {
  return defineKernel({
    name: `attentionSegments_fwd_${dtype}`,
    family: 'attention',
    dtype,
    dims: [...shapes, 'segments', 'qRow'],
    attributes: { window: 'int64_t', scale: 'float', softCap: 'float' },
    buffers: {
      q: queries,
      ...caches(dtype),
      sums: { dtype: 'f32', access: 'write', shape: ['tokens', 'heads', 'segments', 'width'] },
      states: { dtype: 'f32', access: 'write', shape: ['tokens', 'heads', 'segments', 2] },
    },
    inPlace: [],
    split: { items: ['tokens', 'kvHeads', 'segments'], own: [] },
    flops: products,
  })
}

/**
 * Causal attention with grouped heads: y[t, h] = softmax(s) · values with s = scale * q[t, h] · keys, or where softCap is
 * not 0 softCap * tanh(s / softCap), over the positions max(0, p - window + 1) .. p of sequence sequences[t], where p is positions[t] and a window of 0 has no end; query head h
 * with cache head floor(h / (heads / kvHeads)). What the cache holds at other positions may be any bytes. A head has at
 * most `widestHead` columns, for q8_0 a multiple of 32.
 */
export const attentionForward = { f32: attention('f32'), f16: attention('f16'), q8_0: attention('q8_0') } as const

/**
 * The same up to the merging of segments, for few tokens and a long context: for every segment that holds positions of the
 * token, the sum of weighed values, and as state the largest score and the sum of weights. What belongs to other segments is not
 * written.
 */
export const attentionSegmentsForward = {
  f32: attentionSegments('f32'),
  f16: attentionSegments('f16'),
  q8_0: attentionSegments('q8_0'),
} as const

/** What `attentionForward` gives, from the results of `attentionSegmentsForward`, with the same bits. */
export const attentionMergeForward = defineKernel({
  name: 'attentionMerge_fwd_f32',
  family: 'attention',
  dims: ['tokens', 'heads', 'width', 'segments', 'yRow'],
  attributes: { window: 'int64_t' },
  buffers: {
    sums: { dtype: 'f32', access: 'read', shape: ['tokens', 'heads', 'segments', 'width'] },
    states: { dtype: 'f32', access: 'read', shape: ['tokens', 'heads', 'segments', 2] },
    positions: { dtype: 'i32', access: 'read', shape: ['tokens'] },
    y: result,
  },
  inPlace: [],
  split: { items: ['tokens', 'heads'], own: ['y', 'sums', 'states'] },
  flops: ({ tokens, heads, width, segments }) => 3 * tokens * heads * width * segments,
})
