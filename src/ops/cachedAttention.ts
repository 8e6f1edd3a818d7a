import { defineOp } from '../ir/op.ts'
import { tensor } from '../ir/tensor.ts'
import {
  attentionForward,
  attentionMergeForward,
  attentionSegmentsForward,
  segmentPositions,
  widestHead,
} from '../kernels/attention/attention.kernel.ts'
import { type AttentionAttributes, attendTo, checkAttributes, firstAttended } from './attentionRows.ts'
import { cacheDtypeOf, checkCacheWidth } from './cacheWrite.ts'
import { axis, denseRow } from './shapes.ts'

/** A program whose steps have fewer (token, kv head) pairs divides each pair's segments among threads as well. */
const enoughPairs = 64

/**
 * Attention of q [tokens, heads, width] over caches [sequences, kvHeads, context, width]: token t reads positions
 * 0 .. positions[t] of sequence sequences[t], of these with a `window` (not 0) only the last so many. Scores are
 * capped as in `attention`.
 */
export const cachedAttention = defineOp({
  name: 'cachedAttention',
  inputs: {
    q: ['f32'],
    keys: ['f32', 'f16', 'q8_0'],
    values: ['f32', 'f16', 'q8_0'],
    positions: ['i32'],
    sequences: ['i32'],
  },
  outputs: ['y'],
  infer({ q, keys, values, positions, sequences }, attributes: AttentionAttributes, refuse) {
    if (q.shape.length !== 3 || keys.shape.length !== 4) refuse('q needs three axes and keys four')
    if (keys.shape.join() !== values.shape.join() || keys.dtype !== values.dtype)
      refuse('keys and values differ in type')
    if (axis(q, 2) !== axis(keys, 3)) refuse(`heads of q are ${axis(q, 2)} wide and those of keys ${axis(keys, 3)}`)
    if (axis(q, 1) % axis(keys, 1) !== 0) refuse(`${axis(q, 1)} heads are not a multiple of ${axis(keys, 1)} kv heads`)
    if (positions.shape[0] !== q.shape[0] || sequences.shape[0] !== q.shape[0])
      refuse('positions and sequences need a row per token')
    checkCacheWidth(keys, refuse)
    if (axis(q, 2) > widestHead) refuse(`heads are ${axis(q, 2)} wide; accepted: at most ${widestHead}`)
    checkAttributes(attributes, refuse)
    return { y: q }
  },
  reference({ q, keys, values, positions, sequences }, attributes) {
    const [tokens = 0, heads = 0, width = 0] = q.shape
    const [, kvHeads = 1, context = 0] = keys.shape
    const y = tensor(q.shape)
    for (let t = 0; t < tokens; t++) {
      for (let h = 0; h < heads; h++) {
        const head = sequences.data[t]! * kvHeads + Math.floor((h * kvHeads) / heads)
        const at = (t * heads + h) * width
        const row = (u: number) => (head * context + u) * width
        const position = positions.data[t]!
        const first = firstAttended(position, attributes.window)
        attendTo(q.data, at, width, attributes, first, position + 1, keys.data, row, values.data, row, y.data)
      }
    }
    return { y }
  },
  lower({ q, keys, values, positions, sequences }, { y }, { scale, window = 0, softCap = 0 }, to) {
    const tokens = q.type.shape[0]!
    const dims = {
      tokens,
      heads: axis(q.type, 1),
      kvHeads: axis(keys.type, 1),
      width: axis(q.type, 2),
      context: axis(keys.type, 2),
      sequenceCount: axis(keys.type, 0),
      qRow: to.stride(q),
    }
    const { heads, width, context, kvHeads } = dims
    const dtype = cacheDtypeOf(keys.type)
    const inputs = { window, scale, softCap, q, keys, values, positions, sequences }
    const reach = window > 0 ? Math.min(window, context) : context
    if (reach <= segmentPositions || to.most(tokens) * kvHeads >= enoughPairs) {
      to.call(attentionForward[dtype], { ...dims, ...inputs, yRow: to.stride(y), y })
      return
    }
    const segments = Math.ceil(context / segmentPositions)
    const sums = to.scratch('sums', { dtype: 'f32', shape: [tokens, heads, segments, width] })
    const states = to.scratch('states', { dtype: 'f32', shape: [tokens, heads, segments, 2] })
    to.call(attentionSegmentsForward[dtype], { ...dims, ...inputs, segments, sums, states })
    const merged = { tokens, heads, width, segments, yRow: to.stride(y), window }
    to.call(attentionMergeForward, { ...merged, sums, states, positions, y })
  },
  tolerance: { relative: 64 },
  samples: (lanes) =>
    (['f32', 'f16', 'q8_0'] as const).flatMap((dtype) =>
      [
        { heads: 1, kvHeads: 1, width: 1, context: 160 },
        { heads: 6, kvHeads: 2, width: lanes + 1, context: 160, window: 33 },
        { heads: 4, kvHeads: 4, width: 2 * lanes, context: 160, softCap: 1.3 },
        { heads: 4, kvHeads: 1, width: 10, context: 2048 },
        { heads: 3, kvHeads: 1, width: 3, context: 3072, window: 1100, softCap: 0.5 },
      ].flatMap(({ heads, kvHeads, width: plainWidth, context, window = 0, softCap = 0 }) =>
        [1, 5].map((tokens) => {
          const width = dtype === 'q8_0' ? 32 * Math.ceil(plainWidth / 16) : plainWidth
          const cache = { dtype, shape: [2, kvHeads, context, width] }
          return {
            inputs: {
              q: { dtype: 'f32' as const, shape: [tokens, heads, width] },
              keys: cache,
              values: cache,
              positions: { dtype: 'i32' as const, shape: [tokens], values: { below: context } },
              sequences: { dtype: 'i32' as const, shape: [tokens], values: { below: 2 } },
            },
            attributes: { scale: 0.3, window, softCap },
          }
        }),
      ),
    ),
  refusals: [
    {
      inputs: {
        q: denseRow(['tokens', 3, 8]),
        keys: denseRow([1, 2, 16, 8]),
        values: denseRow([1, 2, 16, 8]),
        positions: { dtype: 'i32', shape: ['tokens'] },
        sequences: { dtype: 'i32', shape: ['tokens'] },
      },
      attributes: { scale: 1 },
      says: '3 heads are not a multiple of 2 kv heads',
    },
    {
      inputs: {
        q: denseRow(['tokens', 2, 40]),
        keys: { dtype: 'q8_0', shape: [1, 2, 64, 40] },
        values: { dtype: 'q8_0', shape: [1, 2, 64, 40] },
        positions: { dtype: 'i32', shape: ['tokens'] },
        sequences: { dtype: 'i32', shape: ['tokens'] },
      },
      attributes: { scale: 1 },
      says: 'heads of the cache are 40 wide; accepted: multiples of 32 in q8_0, any width in f16',
    },
  ],
})
