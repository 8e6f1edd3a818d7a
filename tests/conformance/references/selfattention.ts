import {
  attentionStrip,
  selfAttentionBackwardRoom,
  selfAttentionRoom,
} from '../../../src/kernels/selfattention/selfattention.kernel.ts'
import { attention } from '../../../src/ops/attention.ts'
import { attentionBackward } from '../../../src/ops/attentionBackward.ts'
import type { Dims } from '../placement.ts'
import type { Fill, Reference, References, Values } from './reference.ts'
import { strided } from './sizes.ts'

/** Rows of a batch that end before `length`, around strips and the blocks of keys, widths of whole vectors and others. */
const sizes = (lanes: number): Dims[] => [
  { tokens: 1, batch: 1, length: 1, heads: 1, kvHeads: 1, width: 2 },
  { tokens: 30, batch: 2, length: 15, heads: 4, kvHeads: 2, width: 2 * lanes, documents: 5 },
  { tokens: 49, batch: 3, length: 17, heads: 2, kvHeads: 1, width: lanes + 3, documents: 4, capped: 1 },
  { tokens: attentionStrip, batch: 1, length: attentionStrip, heads: 3, kvHeads: 3, width: 64 },
  { tokens: 2 * attentionStrip + 2, batch: 2, length: attentionStrip + 1, heads: 2, kvHeads: 2, width: 80, window: 33 },
  { tokens: 150, batch: 1, length: 150, heads: 6, kvHeads: 2, width: lanes - 1, capped: 1, window: 70, documents: 3 },
  { tokens: 140, batch: 2, length: 70, heads: 2, kvHeads: 1, width: 5 * lanes, whole: 1 },
  { tokens: 141, batch: 1, length: 141, heads: 2, kvHeads: 2, width: 32, whole: 1, documents: 9 },
  { tokens: 3 * attentionStrip, batch: 1, length: 3 * attentionStrip, heads: 2, kvHeads: 1, width: 33, documents: 40 },
  { tokens: 24, batch: 2, length: 12, heads: 1, kvHeads: 1, width: 256, window: 1 },
  { tokens: 0, batch: 1, length: 5, heads: 1, kvHeads: 1, width: 8 },
]

/** Sizes with strides and with room for one to three parts; more of them stand idle. */
function placed(room: (dims: Dims) => number, ...rows: readonly string[]) {
  return (lanes: number) => {
    const queries = strided(sizes(lanes), ({ heads, width }) => heads! * width!, 'qRow', ...rows)
    const all = strided(queries, ({ kvHeads, width }) => kvHeads! * width!, 'kRow', 'vRow')
    return all.map((dims, i) => ({ ...dims, room: room(dims) * (1 + (i % 3)) }))
  }
}

/** Documents that begin at random within the rows of the batch; without them, `length` alone tells the rows. */
const starts: Fill = ({ tokens, length, documents }, random) => {
  if (!documents) return null
  const all: number[] = []
  for (let t = 0; t < tokens!; t++) all.push(t % length! === 0 || random.whole(documents) === 0 ? t : all[t - 1]!)
  return all
}

const attributes = ({ window, capped, whole }: Dims) => ({
  ...{ window: window ?? 0, causal: whole ? 0 : 1 },
  ...{ scale: 0.25, softCap: capped ? 1.5 : 0 },
})

const opAttributes = ({ length }: Dims, { scale, window, softCap, causal }: { readonly [name: string]: number }) => ({
  ...{ scale: scale!, window: window!, softCap: softCap!, causal: causal !== 0, length: length! },
})

/** The operands as the op's reference takes them. */
function tensors({ q, k, v, starts: begins, y, dy }: Values, { tokens, heads, kvHeads, width }: Dims) {
  const of = (data: Float64Array, count: number) => ({ shape: [tokens!, count, width!], data })
  const queries = { q: of(q!, heads!), y: of(y ?? q!, heads!), dy: of(dy ?? q!, heads!) }
  const given = begins ? { starts: { shape: [tokens!], data: begins } } : {}
  return { ...queries, k: of(k!, kvHeads!), v: of(v!, kvHeads!), ...given } as {
    readonly [S in 'q' | 'k' | 'v' | 'starts' | 'y' | 'dy']: { readonly shape: number[]; readonly data: Float64Array }
  }
}

const forward: Reference = {
  sizes: placed(({ length, width }) => selfAttentionRoom(length!, width!), 'yRow'),
  attributes,
  fill: { starts },
  compute: (values, dims, given) => ({
    y: attention.reference!(tensors(values, dims), opAttributes(dims, given)).y.data,
  }),
  epsilons: 32,
}

const backward: Reference = {
  sizes: placed(({ length, width, capped }) => selfAttentionBackwardRoom(length!, width!, !!capped), 'yRow', 'dyRow'),
  attributes,
  fill: { starts },
  compute(values, dims, given) {
    const { dq, dk, dv } = attentionBackward.reference!(tensors(values, dims), opAttributes(dims, given))
    return { dq: dq.data, dk: dk.data, dv: dv.data }
  },
  epsilons: 64,
}

/** The kernels of attention without a cache. */
export const selfAttention: References<'selfattention'> = {
  selfAttention_fwd_f32: forward,
  selfAttention_bwd_f32: backward,
}
