import { squareChunks } from '../../../src/kernels/gradient/gradient.kernel.ts'
import type { Dims } from '../placement.ts'
import type { Fill, References, Values } from './reference.ts'

/** Fewer elements than chunks, whole lines and not, and chunks of several runs of sums. */
const sizes = (lanes: number): Dims[] =>
  [1, lanes + 1, 64 * 16, 64 * 16 + 3, 4096 + lanes, 200_003].map((elements) => ({ elements, chunks: squareChunks }))

/** Sums of squares over chunks of whole cache lines. */
function chunkSquares(x: Float64Array, chunks: number): Float64Array {
  const each = Math.ceil(Math.ceil(x.length / chunks) / 16) * 16
  const squares = x.map((value) => value * value)
  return Float64Array.from({ length: chunks }, (_, chunk) =>
    squares.subarray(chunk * each, (chunk + 1) * each).reduce((sum, value) => sum + value, 0),
  )
}

const positive: Fill = ({ chunks }, random) => Array.from({ length: chunks! }, () => random.normal() ** 2)

/** The references of the kernels that ask for the norm of gradients. */
export const gradient: References<'gradient'> = {
  squares_fwd_f32: {
    sizes,
    compute: ({ x }: Values, { chunks }) => ({ sums: chunkSquares(x!, chunks!) }),
    epsilons: 4,
  },
  rootOfSum_fwd_f32: {
    sizes: () => [1, 2, squareChunks].map((chunks) => ({ chunks })),
    fill: { sums: positive },
    compute: ({ sums }: Values) => ({ norm: Float64Array.of(Math.sqrt(sums!.reduce((sum, value) => sum + value, 0))) }),
    epsilons: 1,
  },
  clip_fwd_f32: {
    sizes: () => [{}, {}, {}],
    attributes: { most: 1 },
    fill: { norm: (_, random) => [4 * Math.abs(random.normal())] },
    compute: ({ norm }: Values, _dims, { most }) => ({
      clip: norm!.map((value) => Math.min(1, most! / (value + 1e-6))),
    }),
    epsilons: 1,
  },
  unitNorm_fwd_f32: {
    sizes: (lanes) =>
      [1, lanes + 1, 256, 1024, 1024 + lanes + 3].map((elements) => ({ elements, chunks: squareChunks })),
    attributes: { eps: 0.01 },
    fill: { sums: positive },
    compute({ x, sums }: Values, _dims, { eps }) {
      const norm = Math.sqrt(sums!.reduce((sum, value) => sum + value, 0))
      return { y: x!.map((value) => value / (norm + eps!)) }
    },
    epsilons: 2,
  },
}
