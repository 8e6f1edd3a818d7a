import { defineKernel } from '../kernel.ts'

/** What the rule reads of every token, in all its forms. */
const operands = {
  q: { dtype: 'f32', access: 'read', shape: ['tokens', 'keyHeads', 'keyWidth'], rowStride: 'qRow' },
  k: { dtype: 'f32', access: 'read', shape: ['tokens', 'keyHeads', 'keyWidth'], rowStride: 'kRow' },
  v: { dtype: 'f32', access: 'read', shape: ['tokens', 'valueHeads', 'valueWidth'], rowStride: 'vRow' },
  decay: { dtype: 'f32', access: 'read', shape: ['tokens', 'valueHeads'] },
  beta: { dtype: 'f32', access: 'read', shape: ['tokens', 'valueHeads'] },
} as const

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
    ...operands,
    positions: { dtype: 'i32', access: 'read', shape: ['tokens'] },
    sequences: { dtype: 'i32', access: 'read', shape: ['tokens'] },
    state: { dtype: 'f32', access: 'update', shape: ['sequenceCount', 'valueHeads', 'keyWidth', 'valueWidth'] },
    y: { dtype: 'f32', access: 'write', shape: ['tokens', 'valueHeads', 'valueWidth'], rowStride: 'yRow' },
  },
  inPlace: [],
  split: { items: ['valueHeads', { dim: 'valueWidth', each: 64 }], own: [] },
  flops: ({ tokens, valueHeads, keyWidth, valueWidth }) => 7 * tokens * valueHeads * keyWidth * valueWidth,
})

/**
 * The same over rows as they lie, without a state: tokens are `batch` rows of equal length, one behind the other. A sequence
 * begins with each, and where `starts` of a token, the row at which its sequence begins, is its own row.
 */
export const deltaRuleRowsForward = defineKernel({
  name: 'deltaRuleRows_fwd_f32',
  family: 'delta',
  dims: ['tokens', 'batch', 'keyHeads', 'valueHeads', 'keyWidth', 'valueWidth', 'qRow', 'kRow', 'vRow', 'yRow'],
  attributes: { tiled: 'int64_t', scale: 'float' },
  buffers: {
    ...operands,
    starts: { dtype: 'i32', access: 'read', shape: ['tokens'], optional: true },
    y: { dtype: 'f32', access: 'write', shape: ['tokens', 'valueHeads', 'valueWidth'], rowStride: 'yRow' },
  },
  inPlace: [],
  split: { items: ['batch', 'valueHeads', { dim: 'valueWidth', each: 64 }], own: [] },
  mixesRows: true,
  flops: ({ tokens, valueHeads, keyWidth, valueWidth }) => 7 * tokens * valueHeads * keyWidth * valueWidth,
})

/**
 * Elements of scratch that one part of deltaRuleBackward needs for rows of `length` tokens: with c = ⌈√length⌉, 2c + 1 states of
 * as many columns as are taken through a row at once, at most 32, and c rows of these columns.
 */
export function deltaRoom(length: number, keyWidth: number, valueWidth: number): number {
  const chunk = Math.ceil(Math.sqrt(length))
  const columns = Math.min(32, Math.ceil(valueWidth / 16) * 16)
  return ((2 * chunk + 1) * keyWidth + chunk) * columns
}

/**
 * The gradients of deltaRuleRows. The states are computed again, twice: once to keep those before every ⌈√length⌉th token,
 * and within such a chunk to have those before every token; so nothing of the length of a row times a state is in memory.
 * Value heads of one key head add to its dq and dk in their order, columns in theirs.
 *
 * The parts divide the scratch among them; its size has no effect on the bits. It needs `deltaRoom` elements; more parts than
 * it has room for stand idle.
 */
export const deltaRuleBackward = defineKernel({
  name: 'deltaRule_bwd_f32',
  family: 'delta',
  dims: ['tokens', 'batch', 'keyHeads', 'valueHeads', 'keyWidth', 'valueWidth', 'room', 'qRow', 'kRow', 'vRow'],
  attributes: { tiled: 'int64_t', scale: 'float' },
  buffers: {
    ...operands,
    starts: { dtype: 'i32', access: 'read', shape: ['tokens'], optional: true },
    dy: { dtype: 'f32', access: 'read', shape: ['tokens', 'valueHeads', 'valueWidth'] },
    dq: { dtype: 'f32', access: 'write', shape: ['tokens', 'keyHeads', 'keyWidth'] },
    dk: { dtype: 'f32', access: 'write', shape: ['tokens', 'keyHeads', 'keyWidth'] },
    dv: { dtype: 'f32', access: 'write', shape: ['tokens', 'valueHeads', 'valueWidth'] },
    ddecay: { dtype: 'f32', access: 'write', shape: ['tokens', 'valueHeads'] },
    dbeta: { dtype: 'f32', access: 'write', shape: ['tokens', 'valueHeads'] },
    scratch: { dtype: 'f32', access: 'write', shape: ['room'], scratch: 'whole' },
  },
  inPlace: [],
  split: { items: ['batch', 'keyHeads'], own: [] },
  mixesRows: true,
  flops: ({ tokens, valueHeads, keyWidth, valueWidth }) => 26 * tokens * valueHeads * keyWidth * valueWidth,
})
