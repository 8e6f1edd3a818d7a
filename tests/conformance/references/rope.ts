import type { Reference, References } from './reference.ts'
import { mixed, strided } from './sizes.ts'

type Place = (i: number, pairs: number) => number

/** `way`: 1, or -1 for the rotation back. */
function rotate(way: number, [first, second]: readonly [Place, Place]): Reference {
  return {
    sizes: (lanes) =>
      strided(
        [
          { tokens: 1, heads: 1, width: 2, pairs: 1 },
          { tokens: 5, heads: 3, width: 10, pairs: 5 },
          { tokens: 2, heads: 2, width: 4 * lanes, pairs: 2 * lanes },
          { tokens: 3, heads: 1, width: 2 * lanes + 7, pairs: lanes + 1 },
          { tokens: 7, heads: 2, width: 24, pairs: 4 },
        ],
        ({ heads, width }) => heads! * width!,
        'xRow',
        'yRow',
      ),
    compute({ x, table }, { tokens, heads, width, pairs }) {
      const y = x!.slice()
      for (let at = 0; at < tokens! * heads!; at++) {
        const row = Math.floor(at / heads!) * 2 * pairs!
        for (let i = 0; i < pairs!; i++) {
          const [a, b] = [at * width! + first(i, pairs!), at * width! + second(i, pairs!)]
          const [cosine, sine] = [table![row + i]!, way * table![row + pairs! + i]!]
          y[a] = x![a]! * cosine - x![b]! * sine
          y[b] = x![a]! * sine + x![b]! * cosine
        }
      }
      return { y }
    },
    epsilons: 2,
  }
}

const split = [(i: number) => i, (i: number, pairs: number) => i + pairs] as const
const pairwise = [(i: number) => 2 * i, (i: number) => 2 * i + 1] as const

/** How the kernels of the family `rope` are judged. */
export const rope: References<'rope'> = {
  ropeTable_fwd_f32: {
    sizes: () => mixed(6, { tokens: [1, 5], pairs: [1, 5, 64] }),
    attributes: { theta: 500000, scale: 0.25, magnitude: 1.25 },
    fill: {
      positions: ({ tokens }, random) => Array.from({ length: tokens! }, () => random.whole(100000)),
      factors: ({ tokens, pairs }) => (tokens === 1 ? null : Array.from({ length: pairs! }, (_, i) => 1 + i)),
    },
    compute({ positions, factors }, { tokens, pairs }, { theta, scale, magnitude }) {
      const table = new Float64Array(tokens! * 2 * pairs!)
      for (let i = 0; i < table.length; i++) {
        const pair = i % pairs!
        const t = Math.floor(i / (2 * pairs!))
        const angle = (positions![t]! * scale! * theta! ** (-pair / pairs!)) / (factors?.[pair] ?? 1)
        table[i] = magnitude! * (Math.floor(i / pairs!) % 2 ? Math.sin(angle) : Math.cos(angle))
      }
      return { table }
    },
    epsilons: 1,
  },
  rope_fwd_split_f32: rotate(1, split),
  rope_fwd_pairwise_f32: rotate(1, pairwise),
  rope_bwd_split_f32: rotate(-1, split),
  rope_bwd_pairwise_f32: rotate(-1, pairwise),
}
