import { numberToHalf } from '../../../src/base/dtypes.ts'
import type { CacheDtype } from '../../../src/kernels/attention/attention.kernel.ts'
import type { Fill, Reference, References } from './reference.ts'
import { strided } from './sizes.ts'

function cacheWrite(dtype: CacheDtype): Reference {
  return {
    sizes: (lanes) =>
      strided(
        [
          { tokens: 1, heads: 1, width: 1, context: 16, sequenceCount: 1 },
          { tokens: 5, heads: 3, width: 10, context: 32, sequenceCount: 2 },
          { tokens: 7, heads: 2, width: lanes + 1, context: 16, sequenceCount: 3 },
          { tokens: 4, heads: 1, width: 2 * lanes, context: 48, sequenceCount: 1 },
        ].map((size) => ({ ...size, width: headWidth(dtype, size.width) })),
        ({ heads, width }) => heads! * width!,
        'xRow',
      ),
    fill: {
      sequences: ({ tokens, sequenceCount }) => Array.from({ length: tokens! }, (_, t) => t % sequenceCount!),
      positions: ({ tokens, sequenceCount, context }) =>
        Array.from({ length: tokens! }, (_, t) => (context! - 2 + Math.floor(t / sequenceCount!)) % context!),
      ...(dtype === 'q8_0' ? { x: cacheBlocks } : {}),
    },
    compute({ x, positions, sequences, cache }, { tokens, heads, width, context }) {
      const after = cache!.slice()
      for (let t = 0; t < tokens!; t++) {
        for (let h = 0; h < heads!; h++) {
          const row = (sequences![t]! * heads! + h) * context! + positions![t]!
          const from = x!.subarray((t * heads! + h) * width!, (t * heads! + h + 1) * width!)
          if (dtype !== 'q8_0') after.set(dtype === 'f16' ? from.map(halfValue) : from, row * width!)
          else for (let b = 0; b < width!; b += 32) after.set(cacheBlock(from.subarray(b, b + 32)), row * width! + b)
        }
      }
      return { cache: after }
    },
    epsilons: 0,
  }
}

/** A width of a head that the dtype can hold, of about the size asked for. */
export const headWidth = (dtype: CacheDtype, width: number) => (dtype === 'q8_0' ? 32 * Math.ceil(width / 16) : width)

/** Blocks of every kind: ordinary, zero, with a scale that binary16 holds badly or not at all, large, with ties. */
const cacheBlocks: Fill = ({ tokens, heads, width }, random) => {
  const factors = [1, 0, 1e-5, 1e-9, 1e5, 100]
  return Float64Array.from({ length: tokens! * heads! * width! }, (_, i) => {
    const block = Math.floor(i / 32)
    return block % 7 === 6 ? (i % 255) - 127.5 : random.normal() * factors[block % factors.length]!
  })
}

/** A block of 32 as q8_0 holds it, in the steps of f32. */
function cacheBlock(x: Float64Array): Float64Array {
  const scale = halfValue(Math.fround(x.reduce((most, value) => Math.max(most, Math.abs(value)), 0) / 127))
  const inverse = Math.fround(1 / scale)
  return x.map((value) => {
    if (scale === 0) return 0
    const scaled = Math.fround(value * inverse)
    const even = 2 * Math.round(scaled / 2)
    const code = Math.abs(scaled - Math.trunc(scaled)) === 0.5 ? even : Math.round(scaled)
    return scale * Math.min(127, Math.max(-127, code))
  })
}

const halfValue = (value: number) => {
  const bits = numberToHalf(value)
  const magnitude = bits & 0x7fff
  const value16 =
    magnitude < 0x400 ? magnitude * 2 ** -24 : (1 + (magnitude & 0x3ff) / 1024) * 2 ** ((magnitude >> 10) - 15)
  return bits & 0x8000 ? -value16 : value16
}

/** How the kernels of the family `cache` are judged. */
export const cache: References<'cache'> = {
  cacheKeys_fwd_f32: cacheWrite('f32'),
  cacheKeys_fwd_f16: cacheWrite('f16'),
  cacheKeys_fwd_q8_0: cacheWrite('q8_0'),
  cacheValues_fwd_f32: cacheWrite('f32'),
  cacheValues_fwd_f16: cacheWrite('f16'),
  cacheValues_fwd_q8_0: cacheWrite('q8_0'),
}
