import { defineOp } from '../ir/op.ts'
import { tensor } from '../ir/tensor.ts'
import { attentionForward } from '../kernels/attention/attention.kernel.ts'
import { attendTo } from './attention.ts'
import { cacheDtypeOf } from './cacheWrite.ts'
import { axis, denseRow } from './shapes.ts'

/**
 * Attention of q [tokens, heads, width] over caches [sequences, kvHeads, context, width]: token t reads positions
 * 0 .. positions[t] of sequence sequences[t].
 */
export const cachedAttention = defineOp({
  name: 'cachedAttention',
  inputs: { q: ['f32'], keys: ['f32', 'f16'], values: ['f32', 'f16'], positions: ['i32'], sequences: ['i32'] },
  outputs: ['y'],
  infer({ q, keys, values, positions, sequences }, { scale }: { scale: number }, refuse) {
    if (q.shape.length !== 3 || keys.shape.length !== 4) refuse('q needs three axes and keys four')
    if (keys.shape.join() !== values.shape.join() || keys.dtype !== values.dtype)
      refuse('keys and values differ in type')
    if (axis(q, 2) !== axis(keys, 3)) refuse(`heads of q are ${axis(q, 2)} wide and those of keys ${axis(keys, 3)}`)
    if (axis(q, 1) % axis(keys, 1) !== 0) refuse(`${axis(q, 1)} heads are not a multiple of ${axis(keys, 1)} kv heads`)
    if (positions.shape[0] !== q.shape[0] || sequences.shape[0] !== q.shape[0])
      refuse('positions and sequences need a row per token')
    if (!(scale > 0)) refuse(`scale is ${scale}; accepted: a number above 0`)
    return { y: q }
  },
  reference({ q, keys, values, positions, sequences }, { scale }) {
    const [tokens = 0, heads = 0, width = 0] = q.shape
    const [, kvHeads = 1, context = 0] = keys.shape
    const y = tensor(q.shape)
    for (let t = 0; t < tokens; t++) {
      for (let h = 0; h < heads; h++) {
        const head = sequences.data[t]! * kvHeads + Math.floor((h * kvHeads) / heads)
        const at = (t * heads + h) * width
        const row = (u: number) => (head * context + u) * width
        attendTo(q.data, at, width, scale, positions.data[t]! + 1, keys.data, row, values.data, row, y.data)
      }
    }
    return { y }
  },
  lower({ q, keys, values, positions, sequences }, { y }, { scale }, to) {
    const dims = {
      tokens: q.type.shape[0]!,
      heads: axis(q.type, 1),
      kvHeads: axis(keys.type, 1),
      width: axis(q.type, 2),
      context: axis(keys.type, 2),
      sequenceCount: axis(keys.type, 0),
      qRow: to.stride(q),
      yRow: to.stride(y),
    }
    to.call(attentionForward[cacheDtypeOf(keys.type)], { ...dims, scale, q, keys, values, positions, sequences, y })
  },
  tolerance: { relative: 64 },
  samples: (lanes) =>
    (['f32', 'f16'] as const).flatMap((dtype) =>
      [
        { heads: 1, kvHeads: 1, width: 1, context: 160 },
        { heads: 6, kvHeads: 2, width: lanes + 1, context: 160 },
        { heads: 4, kvHeads: 4, width: 2 * lanes, context: 160 },
        { heads: 4, kvHeads: 1, width: 10, context: 2048 },
      ].flatMap(({ heads, kvHeads, width, context }) =>
        [1, 5].map((tokens) => {
          const cache = { dtype, shape: [2, kvHeads, context, width] }
          return {
            inputs: {
              q: { dtype: 'f32' as const, shape: [tokens, heads, width] },
              keys: cache,
              values: cache,
              positions: { dtype: 'i32' as const, shape: [tokens], values: { below: context } },
              sequences: { dtype: 'i32' as const, shape: [tokens], values: { below: 2 } },
            },
            attributes: { scale: 0.3 },
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
  ],
})
