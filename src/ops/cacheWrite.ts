import { dtypes, halfToNumber, numberToHalf } from '../base/dtypes.ts'
import { fail } from '../base/errors.ts'
import type { TensorType } from '../ir/graph.ts'
import { defineOp } from '../ir/op.ts'
import { tensor } from '../ir/tensor.ts'
import type { CacheDtype } from '../kernels/attention/attention.kernel.ts'
import { cacheKeysForward, cacheValuesForward } from '../kernels/cache/cache.kernel.ts'
import { axis, denseRow } from './shapes.ts'

export type { CacheDtype } from '../kernels/attention/attention.kernel.ts'

/** The dtype of a cache operand; refuses one that no cache has. */
export function cacheDtypeOf(type: TensorType): CacheDtype {
  return type.dtype === 'f32' || type.dtype === 'f16' || type.dtype === 'q8_0'
    ? type.dtype
    : fail('graph_invalid', { where: type.dtype, what: 'is not a cache format' })
}

/** Refuses a cache whose heads are no whole blocks of its format. */
export function checkCacheWidth(cache: TensorType, refuse: (what: string) => never): void {
  const { blockElements } = dtypes[cache.dtype]
  const width = axis(cache, 3)
  if (width % blockElements !== 0)
    refuse(
      `heads of the cache are ${width} wide; accepted: multiples of ${blockElements} in ${cache.dtype}, any width in f16`,
    )
}

/**
 * The next version of a cache [sequences, heads, context, width]: row t of x [tokens, heads, width] at position
 * positions[t] of sequence sequences[t], rounded to the cache's `format`. `part` says whether the cache holds keys or
 * values, which lie differently.
 */
export const cacheWrite = defineOp({
  name: 'cacheWrite',
  inputs: { cache: ['f32', 'f16', 'q8_0'], x: ['f32'], positions: ['i32'], sequences: ['i32'] },
  outputs: ['next'],
  advances: { next: 'cache' },
  infer({ cache, x, positions, sequences }, { part, format }: { part: 'keys' | 'values'; format: string }, refuse) {
    if (x.shape.length !== 3 || cache.shape.length !== 4) refuse('x needs three axes and cache four')
    if (axis(x, 1) !== axis(cache, 1) || axis(x, 2) !== axis(cache, 3)) {
      refuse(`x is [${x.shape}]; accepted: [tokens, ${cache.shape[1]}, ${cache.shape[3]}], the heads of the cache`)
    }
    if (positions.shape[0] !== x.shape[0] || sequences.shape[0] !== x.shape[0])
      refuse('positions and sequences need a row per token')
    if (part !== 'keys' && part !== 'values') refuse(`part is '${String(part)}'; accepted: keys, values`)
    if (format !== cache.dtype) refuse(`format is ${format} and the cache is ${cache.dtype}`)
    checkCacheWidth(cache, refuse)
    return { next: cache }
  },
  reference({ cache, x, positions, sequences }, { format }) {
    const [tokens = 0, heads = 0, width = 0] = x.shape
    const context = cache.shape[2] ?? 0
    const next = tensor(cache.shape, cache.data)
    for (let t = 0; t < tokens; t++) {
      for (let h = 0; h < heads; h++) {
        const to = ((sequences.data[t]! * heads + h) * context + positions.data[t]!) * width
        const at = (t * heads + h) * width
        next.data.set(roundTo(format, x.data.subarray(at, at + width)), to)
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
      (['f32', 'f16', 'q8_0'] as const).flatMap((dtype) =>
        (dtype === 'q8_0' ? [32, 96] : [1, lanes + 1]).map((width) => ({
          inputs: {
            cache: { dtype, shape: [2, 3, 32, width] },
            x: { dtype: 'f32' as const, shape: [4, 3, width] },
            positions: { dtype: 'i32' as const, shape: [4], values: 'iota' as const },
            sequences: { dtype: 'i32' as const, shape: [4], values: { below: 2 } },
          },
          attributes: { part, format: dtype },
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
      attributes: { part: 'keys', format: 'f16' },
      says: 'format is f16 and the cache is f32',
    },
    {
      inputs: {
        cache: denseRow([1, 2, 16, 8]),
        x: denseRow(['tokens', 3, 8]),
        positions: { dtype: 'i32', shape: ['tokens'] },
        sequences: { dtype: 'i32', shape: ['tokens'] },
      },
      attributes: { part: 'keys', format: 'f32' },
      says: 'accepted: [tokens, 2, 8]',
    },
  ],
})

/** A row of a cache as the format holds it. */
function roundTo(format: string, row: Float64Array): Float64Array {
  if (format === 'f16') return row.map((value) => halfToNumber(numberToHalf(value)))
  if (format !== 'q8_0') return row
  const rounded = new Float64Array(row.length)
  for (let at = 0; at < row.length; at += 32) rounded.set(roundBlock(row.subarray(at, at + 32)), at)
  return rounded
}

/** A block of 32 as codes times a scale of max|x| / 127, which is a binary16 number. The steps are those of f32. */
function roundBlock(block: Float64Array): Float64Array {
  const largest = block.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
  const scale = halfToNumber(numberToHalf(Math.fround(largest / 127)))
  if (!Number.isFinite(scale)) return block.map(() => Number.NaN)
  if (scale === 0) return block.map(() => 0)
  const inverse = Math.fround(1 / scale)
  return block.map((value) => {
    const code = roundHalfToEven(Math.fround(value * inverse))
    return scale * Math.max(-127, Math.min(127, code))
  })
}

function roundHalfToEven(value: number): number {
  const floor = Math.floor(value)
  const rest = value - floor
  return rest > 0.5 || (rest === 0.5 && floor % 2 !== 0) ? floor + 1 : floor
}
