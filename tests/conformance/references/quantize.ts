import type { Fill, References } from './reference.ts'
import { counts, mixed, strided } from './sizes.ts'

/** Sixteen ordinary blocks, then as many of every kind: zero, tiny, with ties, with values that are no numbers; and so on. */
const blocksToQuantise: Fill = ({ tokens, cols }, random) => {
  const factors = [1, 1, 0, 1e-35, 1e30, 1, 100]
  return Float64Array.from({ length: tokens! * cols! }, (_, i) => {
    const block = Math.floor(i / 32)
    if (block % 32 < 16) return random.normal()
    if (block % 11 === 9) return (i % 255) - 127.5
    if (block % 13 === 12 && i % 32 === 5) return [Number.NaN, Number.POSITIVE_INFINITY][block % 2]!
    return random.normal() * factors[block % factors.length]!
  })
}

function quantiseBlock(x: Float64Array, out: DataView, at: number) {
  const largest = x.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
  if (!Number.isFinite(largest)) return out.setUint32(at, 0x7fc00000, true)
  if (largest < 2 ** -100) return
  const inverse = Math.fround(127 / largest)
  const sums = [0, 0]
  for (const [i, value] of x.entries()) {
    const scaled = Math.fround(value * inverse)
    const floor = Math.floor(scaled)
    const rest = scaled - floor
    const code = rest > 0.5 || (rest === 0.5 && floor % 2 !== 0) ? floor + 1 : floor
    out.setInt8(at + 16 + i, code)
    sums[i >> 4]! += code
  }
  const scale = Math.fround(largest / 127)
  out.setFloat32(at, scale, true)
  out.setFloat32(at + 4, scale * (sums[0]! + sums[1]!), true)
  out.setInt32(at + 8, -128 * (sums[0]! + sums[1]!), true)
  out.setInt32(at + 12, -128 * sums[0]!, true)
}

/** How the kernels of the family `quantize` are judged. */
export const quantize: References<'quantize'> = {
  quantize_fwd_a8: {
    sizes: () =>
      strided(mixed(12, { tokens: counts, cols: [32, 96, 512] }), ({ cols }) => cols!, 'xRow').map((dims, i) => ({
        ...dims,
        pieces: i % 2 === 0 ? 1 : dims.cols! / 32,
      })),
    fill: { x: blocksToQuantise },
    compute({ x }, { tokens, cols }) {
      const y = new Uint8Array((tokens! * cols! * 48) / 32)
      const view = new DataView(y.buffer)
      for (let block = 0; block < (tokens! * cols!) / 32; block++)
        quantiseBlock(x!.subarray(32 * block, 32 * block + 32), view, 48 * block)
      return { y }
    },
    epsilons: 0,
  },
}
