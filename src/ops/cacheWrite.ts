import { halfToNumber, numberToHalf } from '../base/dtypes.ts'
import { fail } from '../base/errors.ts'
import type { TensorType } from '../ir/graph.ts'
import { defineOp } from '../ir/op.ts'
import { tensor } from '../ir/tensor.ts'
import { cacheKeysForward, cacheValuesForward } from '../kernels/cache/cache.kernel.ts'
import { axis, denseRow } from './shapes.ts'

export type CacheDtype = 'f32' | 'f16'

/** The dtype of a cache operand; refuses one that no cache has. */
export function cacheDtypeOf(type: TensorType): CacheDtype {
  return type.dtype === 'f32' || type.dtype === 'f16'
    ? type.dtype
    : fail('graph_invalid', { where: type.dtype, what: 'is not a cache format' })
}

/**
 * The next version of a cache [sequences, heads, context, width]: row t of x [tokens, heads, width] at position
 * positions[t] of sequence sequences[t]. `part` says whether the cache holds keys or values, which lie differently.
 */
export const cacheWrite = defineOp({
  name: 'cacheWrite',
  inputs: { cache: ['f32', 'f16'], x: ['f32'], positions: ['i32'], sequences: ['i32'] },
  outputs: ['next'],
  advances: { next: 'cache' },
  infer({ cache, x, positions, sequences }, { part, half }: { part: 'keys' | 'values'; half: boolean }, refuse) {
    if (x.shape.length !== 3 || cache.shape.length !== 4) refuse('x needs three axes and cache four')
    if (axis(x, 1) !== axis(cache, 1) || axis(x, 2) !== axis(cache, 3)) {
      refuse(`x is [${x.shape}]; accepted: [tokens, ${cache.shape[1]}, ${cache.shape[3]}], the heads of the cache`)
    }
    if (positions.shape[0] !== x.shape[0] || sequences.shape[0] !== x.shape[0])
      refuse('positions and sequences need a row per token')
    if (part !== 'keys' && part !== 'values') refuse(`part is '${String(part)}'; accepted: keys, values`)
    if (half !== (cache.dtype === 'f16')) refuse(`half is ${half} and the cache is ${cache.dtype}`)
    return { next: cache }
  },
  reference({ cache, x, positions, sequences }, { half }) {
    const [tokens = 0, heads = 0, width = 0] = x.shape
    const context = cache.shape[2] ?? 0
    const next = tensor(cache.shape, cache.data)
    for (let t = 0; t < tokens; t++) {
      for (let h = 0; h < heads; h++) {
        const to = ((sequences.data[t]! * heads + h) * context + positions.data[t]!) * width
        for (let c = 0; c < width; c++) {
          const value = x.data[(t * heads + h) * width + c]!
          next.data[to + c] = half ? halfToNumber(numberToHalf(value)) : value
        }
      }
    }
    return { next }
  },
  lower({ cache, x, positions, sequences }, { next }, { part }, to) {
    to.advance(next, cache)
    const dims = {
      tokens: x.type.shape[0]!,
      heads: axis(x.type, 1),
      width: axis(x.type, 2),
      context: axis(cache.type, 2),
      sequenceCount: axis(cache.type, 0),
      xRow: to.stride(x),
    }
    const kernels = part === 'keys' ? cacheKeysForward : cacheValuesForward
    to.call(kernels[cacheDtypeOf(cache.type)], { ...dims, x, positions, sequences, cache: next })
  },
  tolerance: { relative: 0 },
  samples: (lanes) =>
    (['keys', 'values'] as const).flatMap((part) =>
      (['f32', 'f16'] as const).flatMap((dtype) =>
        [1, lanes + 1].map((width) => ({
          inputs: {
            cache: { dtype, shape: [2, 3, 32, width] },
            x: { dtype: 'f32' as const, shape: [4, 3, width] },
            positions: { dtype: 'i32' as const, shape: [4], values: 'iota' as const },
            sequences: { dtype: 'i32' as const, shape: [4], values: { below: 2 } },
          },
          attributes: { part, half: dtype === 'f16' },
        })),
      ),
    ),
  refusals: [
    {
      inputs: {
        cache: denseRow([1, 2, 16, 8]),
        x: denseRow(['tokens', 2, 8]),
        positions: { dtype: 'i32', shape: ['tokens'] },
        sequences: { dtype: 'i32', shape: ['tokens'] },
      },
      attributes: { part: 'keys', half: true },
      says: 'half is true and the cache is f32',
    },
    {
      inputs: {
        cache: denseRow([1, 2, 16, 8]),
        x: denseRow(['tokens', 3, 8]),
        positions: { dtype: 'i32', shape: ['tokens'] },
        sequences: { dtype: 'i32', shape: ['tokens'] },
      },
      attributes: { part: 'keys', half: false },
      says: 'accepted: [tokens, 2, 8]',
    },
  ],
})
