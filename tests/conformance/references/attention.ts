import type { CacheDtype } from '../../../src/kernels/attention/attention.kernel.ts'
import type { Dims } from '../placement.ts'
import { writeRandomBlock } from '../randomBlock.ts'
import { headWidth } from './cache.ts'
import type { Fill, Reference, References, Values } from './reference.ts'
import { spread } from './sequences.ts'
import { strided } from './sizes.ts'

/** Random values, and NaN at the positions that no token of the sequence may read. */
function cached(dtype: CacheDtype): Fill {
  return ({ sequenceCount, kvHeads, context, width, reach, window, tokens }, random) => {
    const first = window ? Math.max(0, reach! - tokens! + 2 - window) : 0
    const isRead = (row: number) => row % context! <= reach! && row % context! >= first
    const elements = sequenceCount! * kvHeads! * context! * width!
    if (dtype !== 'q8_0')
      return Float64Array.from({ length: elements }, (_, i) =>
        isRead(Math.floor(i / width!)) ? random.normal() : Number.NaN,
      )
    const bytes = new Uint8Array((elements / 32) * 34)
    const view = new DataView(bytes.buffer)
    for (let block = 0; block < elements / 32; block++) {
      writeRandomBlock('q8_0', view, 34 * block, random)
      if (!isRead(Math.floor((32 * block) / width!))) view.setUint16(34 * block, 0x7e00, true)
    }
    return bytes
  }
}

/** Scores and values of query row `at` (token, head), for the positions `from` to `to` - 1 of its sequence. */
function weigh(
  { q, keys, values, sequences }: Values,
  { heads, kvHeads, width, context }: Dims,
  { scale, softCap }: { readonly [name: string]: number },
  at: number,
  from: number,
  to: number,
) {
  const [t, h] = [Math.floor(at / heads!), at % heads!]
  const head = sequences![t]! * kvHeads! + Math.floor((h * kvHeads!) / heads!)
  const query = q!.subarray(at * width!, (at + 1) * width!)
  const row = (all: Float64Array, u: number) =>
    all.subarray((head * context! + u) * width!, (head * context! + u + 1) * width!)
  const scores = Array.from({ length: to - from }, (_, i) => {
    const key = row(keys!, from + i)
    const score = scale! * query.reduce((sum, value, c) => sum + value * key[c]!, 0)
    return softCap! > 0 ? softCap! * Math.tanh(score / softCap!) : score
  })
  const most = Math.max(...scores)
  const sums = new Float64Array(width!)
  let total = 0
  for (const [i, score] of scores.entries()) {
    const weight = Math.exp(score - most)
    const value = row(values!, from + i)
    total += weight
    for (let c = 0; c < width!; c++) sums[c]! += weight * value[c]!
  }
  return { most, total, sums }
}

const queryRows = ({ heads, width }: Dims) => heads! * width!
const attentionAttributes = ({ width, window, cap }: Dims) => ({
  // Scores of wide heads stay as exact as those of others: their chains are longer.
  scale: Math.min(0.25, 16 / width!),
  window: window ?? 0,
  softCap: cap ?? 0,
})
const attentionFill = (dtype: CacheDtype): { readonly [buffer: string]: Fill } => ({
  keys: cached(dtype),
  values: cached(dtype),
  sequences: spread.sequences!,
  positions: ({ tokens, reach }) => Array.from({ length: tokens! }, (_, t) => Math.max(0, reach! - tokens! + 1 + t)),
})

function whole(dtype: CacheDtype): Reference {
  return {
    sizes: (lanes) =>
      strided(
        [
          { tokens: 1, heads: 1, kvHeads: 1, width: 1, context: 64, sequenceCount: 1, reach: 0 },
          { tokens: 1, heads: 6, kvHeads: 2, width: lanes + 1, context: 128, sequenceCount: 2, reach: 78 },
          { tokens: 4, heads: 4, kvHeads: 4, width: 2 * lanes, context: 64, sequenceCount: 1, reach: 63, cap: 0.7 },
          { tokens: 70, heads: 4, kvHeads: 2, width: 10, context: 192, sequenceCount: 1, reach: 133 },
          { tokens: 9, heads: 4, kvHeads: 1, width: 3 * lanes - 1, context: 192, sequenceCount: 3, reach: 128 },
          { tokens: 5, heads: 19, kvHeads: 1, width: 24, context: 128, sequenceCount: 2, reach: 64 },
          { tokens: 3, heads: 2, kvHeads: 1, width: 64, context: 320, sequenceCount: 1, reach: 319 },
          { tokens: 4, heads: 3, kvHeads: 1, width: 5, context: 2112, sequenceCount: 1, reach: 2049 },
          {
            tokens: 9,
            heads: 4,
            kvHeads: 2,
            width: 16,
            context: 192,
            sequenceCount: 1,
            reach: 150,
            window: 33,
            cap: 2,
          },
          { tokens: 1, heads: 2, kvHeads: 1, width: 10, context: 128, sequenceCount: 1, reach: 101, window: 1 },
          { tokens: 3, heads: 2, kvHeads: 2, width: 4, context: 3136, sequenceCount: 1, reach: 3073, window: 1026 },
          // Heads of which a chunk is widened by parts, by single panels, and not at all.
          { tokens: 6, heads: 2, kvHeads: 1, width: 8 * 16 + 3, context: 128, sequenceCount: 1, reach: 70 },
          { tokens: 5, heads: 2, kvHeads: 1, width: 320, context: 128, sequenceCount: 1, reach: 90, window: 40 },
          { tokens: 5, heads: 2, kvHeads: 1, width: 2112, context: 64, sequenceCount: 1, reach: 40 },
        ].map((size) => ({ ...size, width: headWidth(dtype, size.width) })),
        queryRows,
        'qRow',
        'yRow',
      ),
    attributes: attentionAttributes,
    fill: attentionFill(dtype),
    compute(values, dims, attributes) {
      const { window } = attributes
      const { tokens, heads, width } = dims
      const y = new Float64Array(tokens! * heads! * width!)
      for (let at = 0; at < tokens! * heads!; at++) {
        const end = values.positions![Math.floor(at / heads!)]! + 1
        const { total, sums } = weigh(values, dims, attributes, at, window ? Math.max(0, end - window) : 0, end)
        y.set(
          sums.map((sum) => sum / total),
          at * width!,
        )
      }
      return { y }
    },
    epsilons: 32,
  }
}

/** Every token reaches the last segment, for what belongs to segments without positions is not written. */
function inSegments(dtype: CacheDtype): Reference {
  return {
    sizes: (lanes) =>
      strided(
        [
          { tokens: 1, heads: 6, kvHeads: 2, width: lanes + 1, context: 1088, segments: 2, reach: 1060 },
          { tokens: 3, heads: 2, kvHeads: 2, width: 10, context: 2112, segments: 3, reach: 2050, cap: 1.2 },
          { tokens: 2, heads: 3, kvHeads: 1, width: 4, context: 64, segments: 1, reach: 40 },
        ].map((size) => ({ ...size, sequenceCount: 1, width: headWidth(dtype, size.width) })),
        queryRows,
        'qRow',
      ),
    attributes: attentionAttributes,
    fill: attentionFill(dtype),
    compute(values, dims, attributes) {
      const { tokens, heads, width, segments } = dims
      const sums = new Float64Array(tokens! * heads! * segments! * width!)
      const states = new Float64Array(tokens! * heads! * segments! * 2)
      for (let at = 0; at < tokens! * heads! * segments!; at++) {
        const row = Math.floor(at / segments!)
        const from = (at % segments!) * 1024
        const to = Math.min(from + 1024, values.positions![Math.floor(row / heads!)]! + 1)
        const { most, total, sums: own } = weigh(values, dims, attributes, row, from, to)
        sums.set(own, at * width!)
        states.set([most, total], at * 2)
      }
      return { sums, states }
    },
    epsilons: 32,
  }
}

/** Whether segment `segment` of 1024 positions holds some that the token at `position` reads. */
const readsSegment = (position: number, window: number, segment: number) =>
  segment * 1024 <= position && (segment + 1) * 1024 > (window ? Math.max(0, position + 1 - window) : 0)

const attentionMerge: Reference = {
  sizes: (lanes) =>
    strided(
      [
        { tokens: 1, heads: 3, width: lanes + 1, segments: 4, reach: 4095, window: 0 },
        { tokens: 5, heads: 2, width: 2 * lanes, segments: 3, reach: 2049, window: 1500 },
        { tokens: 2, heads: 1, width: 1, segments: 1, reach: 70, window: 0 },
      ],
      queryRows,
      'yRow',
    ),
  attributes: ({ window }) => ({ window: window! }),
  fill: {
    positions: ({ tokens, reach }) => Array.from({ length: tokens! }, (_, t) => reach! - tokens! + 1 + t),
    states: ({ tokens, heads, segments }, random) =>
      Array.from({ length: tokens! * heads! * segments! * 2 }, (_, i) =>
        i % 2 ? 1 + Math.abs(random.normal()) : 3 * random.normal(),
      ),
    sums: ({ tokens, heads, segments, width, reach, window }, random) =>
      Array.from({ length: tokens! * heads! * segments! * width! }, (_, i) => {
        const row = Math.floor(i / width!)
        const token = Math.floor(row / segments! / heads!)
        const isRead = readsSegment(reach! - tokens! + 1 + token, window!, row % segments!)
        return isRead ? random.normal() : Number.NaN
      }),
  },
  compute({ sums, states, positions }, { tokens, heads, width, segments }, { window }) {
    const y = new Float64Array(tokens! * heads! * width!)
    for (let row = 0; row < tokens! * heads!; row++) {
      const read = Array.from({ length: segments! }, (_, segment) => segment).filter((segment) =>
        readsSegment(positions![Math.floor(row / heads!)]!, window!, segment),
      )
      const state = (segment: number, i: number) => states![(row * segments! + segment) * 2 + i]!
      const most = Math.max(...read.map((segment) => state(segment, 0)))
      const factor = (segment: number) => Math.exp(state(segment, 0) - most)
      const total = read.reduce((sum, segment) => sum + factor(segment) * state(segment, 1), 0)
      for (const segment of read) {
        for (let c = 0; c < width!; c++)
          y[row * width! + c]! += (factor(segment) / total) * sums![(row * segments! + segment) * width! + c]!
      }
    }
    return { y }
  },
  epsilons: 16,
}

/** How the kernels of the family `attention` are judged. */
export const attention: References<'attention'> = {
  attention_fwd_f32: whole('f32'),
  attention_fwd_f16: whole('f16'),
  attention_fwd_q8_0: whole('q8_0'),
  attentionSegments_fwd_f32: inSegments('f32'),
  attentionSegments_fwd_f16: inSegments('f16'),
  attentionSegments_fwd_q8_0: inSegments('q8_0'),
  attentionMerge_fwd_f32: attentionMerge,
}
