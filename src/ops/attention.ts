import { defineOp } from '../ir/op.ts'
import { tensor } from '../ir/tensor.ts'
import {
  attentionStrip,
  selfAttentionForward,
  selfAttentionRoom,
} from '../kernels/selfattention/selfattention.kernel.ts'
import { attentionBackward } from './attentionBackward.ts'
import { attentionCall, attentionScratch } from './attentionCall.ts'
import {
  type AttentionAttributes,
  attendedRows,
  attendTo,
  attentionInputs,
  attentionSamples,
  checkHeads,
  checkStarts,
} from './attentionRows.ts'
import { denseRow } from './shapes.ts'

/**
 * Causal attention within a sequence whose tokens are the rows, in order: q [tokens, heads, width],
 * k and v [tokens, kvHeads, width]; query head h reads kv head ⌊h · kvHeads / heads⌋. With a `window`, token p reads only
 * the tokens max(0, p - window + 1) .. p; 0 or absent: all up to its own. Where `causal` is false every token reads all. A
 * `softCap` above 0 bends the scaled scores s to softCap · tanh(s / softCap) before the softmax (Gemma Team 2024).
 * `starts` [tokens] says at which row the sequence of each token begins, where a step holds several (absent: one, from row 0).
 * With a `length` the tokens are rows of a batch, one behind the other, and no token reads beyond its own.
 * `insertCache` rewrites it to `cachedAttention` for the modes that keep a cache.
 */
export const attention = defineOp({
  name: 'attention',
  inputs: { q: ['f32'], k: ['f32'], v: ['f32'], starts: ['i32'] },
  optional: ['starts'],
  outputs: ['y'],
  isDear: true,
  infer({ q, k, v, starts }, attributes: AttentionAttributes, refuse) {
    checkHeads({ q, k, v }, attributes, refuse)
    checkStarts(q, starts, refuse)
    return { y: q }
  },
  reference({ q, k, v, starts }, attributes) {
    const [tokens = 0, heads = 0, width = 0] = q.shape
    const kvHeads = k.shape[1] ?? 1
    const y = tensor(q.shape)
    for (let t = 0; t < tokens; t++) {
      const { begin, end } = attendedRows(t, tokens, attributes, starts)
      for (let h = 0; h < heads; h++) {
        const kvHead = Math.floor((h * kvHeads) / heads)
        const at = (t * heads + h) * width
        const row = (u: number) => (u * kvHeads + kvHead) * width
        attendTo(q.data, at, width, attributes, begin, end, k.data, row, v.data, row, y.data)
      }
    }
    return { y }
  },
  vjp({ q, k, v, starts }, { y }, { y: dy }, attributes, g) {
    const inputs = { q, k, v, ...(starts ? { starts } : {}), y, dy }
    const { dq, dk, dv } = g.apply(attentionBackward, 'q', inputs, attributes)
    return { q: dq, k: dk, v: dv }
  },
  lower({ q, k, v, starts }, { y }, attributes, to) {
    const { batch, longest, heads, width, args } = attentionCall({ q, k, v, starts }, attributes, to)
    const strips = Math.ceil(longest / attentionStrip)
    const room = attentionScratch(selfAttentionRoom(longest, width), batch * heads * strips)
    const scratch = to.scratch('scratch', { dtype: 'f32', shape: [room] })
    to.call(selfAttentionForward, { ...args, room, yRow: to.stride(y), y, scratch })
  },
  tolerance: { relative: 32 },
  samples: () =>
    attentionSamples.map(({ attributes, ...sizes }) => {
      const { kv, ...inputs } = attentionInputs(sizes)
      return { inputs: { ...inputs, k: kv, v: kv }, attributes }
    }),
  refusals: [
    {
      inputs: { q: denseRow(['tokens', 2, 8]), k: denseRow(['tokens', 2, 8]), v: denseRow(['tokens', 2, 8]) },
      attributes: { scale: 1, length: 2.5 },
      says: 'length is 2.5; accepted: 0 (all) or a whole number',
    },
    {
      inputs: { q: denseRow(['tokens', 3, 8]), k: denseRow(['tokens', 2, 8]), v: denseRow(['tokens', 2, 8]) },
      attributes: { scale: 1 },
      says: '3 heads are not a multiple of 2 kv heads',
    },
    {
      inputs: { q: denseRow(['tokens', 2, 8]), k: denseRow(['tokens', 2, 8]), v: denseRow(['tokens', 2, 8]) },
      attributes: { scale: 1, window: -1 },
      says: 'window is -1; accepted: 0 (none) or a whole number of tokens',
    },
    {
      inputs: { q: denseRow(['tokens', 2, 8]), k: denseRow(['tokens', 2, 8]), v: denseRow(['tokens', 2, 8]) },
      attributes: { scale: 1, softCap: -1 },
      says: 'softCap is -1; accepted: 0 (none) or a number above 0',
    },
    {
      inputs: { q: denseRow(['tokens', 2, 8]), k: denseRow(['tokens', 2, 8]), v: denseRow(['tokens', 2, 8]) },
      attributes: { scale: 1, window: 3, causal: false },
      says: 'window is 3; accepted: none where attention is not causal',
    },
    {
      inputs: {
        q: denseRow(['tokens', 2, 8]),
        k: denseRow(['tokens', 2, 8]),
        v: denseRow(['tokens', 2, 8]),
        starts: { dtype: 'i32', shape: [3] },
      },
      attributes: { scale: 1 },
      says: 'starts is [3]; accepted: [tokens]',
    },
  ],
})
