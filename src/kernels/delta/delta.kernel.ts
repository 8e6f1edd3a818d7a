import { defineKernel } from '../kernel.ts'

/** The widest key that the delta rule takes: CK_WIDEST_KEY in delta.c. */
export const widestKey = 256

/**
 * The gated delta rule over the tokens in order, each on the state S [keyWidth, valueWidth] of its sequence and value head
 * h: S' = decay · S, d = beta · (v - kᵀS'), S = S' + k dᵀ, y = scale · qᵀS. q and k are those of key head h mod keyHeads where
 * `tiled` is 1, else ⌊h · keyHeads / valueHeads⌋. A token at position 0 begins with S = 0, whatever the state holds. Every
 * token adds in one order, wherever its step begins: steps of one token and of many give equal bits. A key has at most
 * `widestKey` columns.
 */
export const deltaRuleForward = defineKernel({
  name: 'deltaRule_fwd_f32',
  family: 'delta',
  dims: ['tokens', 'keyHeads', 'valueHeads', 'keyWidth', 'valueWidth', 'sequenceCount', 'qRow', 'kRow', 'vRow', 'yRow'],
  attributes: { tiled: 'int64_t', scale: 'float' },
  buffers: {
    q: { dtype: 'f32', access: 'read', shape: ['tokens', 'keyHeads', 'keyWidth'], rowStride: 'qRow' },
    k: { dtype: 'f32', access: 'read', shape: ['tokens', 'keyHeads', 'keyWidth'], rowStride: 'kRow' },
    v: { dtype: 'f32', access: 'read', shape: ['tokens', 'valueHeads', 'valueWidth'], rowStride: 'vRow' },
    decay: { dtype: 'f32', access: 'read', shape: ['tokens', 'valueHeads'] },
    beta: { dtype: 'f32', access: 'read', shape: ['tokens', 'valueHeads'] },
    positions: { dtype: 'i32', access: 'read', shape: ['tokens'] },
    sequences: { dtype: 'i32', access: 'read', shape: ['tokens'] },
    state: { dtype: 'f32', access: 'update', shape: ['sequenceCount', 'valueHeads', 'keyWidth', 'valueWidth'] },
    y: { dtype: 'f32', access: 'write', shape: ['tokens', 'valueHeads', 'valueWidth'], rowStride: 'yRow' },
  },
  inPlace: [],
  split: { items: ['valueHeads', { dim: 'valueWidth', each: 64 }], own: [] },
  flops: ({ tokens, valueHeads, keyWidth, valueWidth }) => 7 * tokens * valueHeads * keyWidth * valueWidth,
})
