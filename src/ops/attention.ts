import { fail } from '../base/errors.ts'
import type { Attributes } from '../ir/graph.ts'
import { defineOp } from '../ir/op.ts'
import { tensor } from '../ir/tensor.ts'
import { axis, denseRow } from './shapes.ts'
import { softCapOf } from './softCap.ts'

/** What attention does besides q, k and v. */
export interface AttentionAttributes extends Attributes {
  /** Of q·k. */
  readonly scale: number
  /** Tokens that each token reads back, its own among them; 0 or absent: all. */
  readonly window?: number
  /** What bends the scaled scores; 0 or absent: nothing. */
  readonly softCap?: number
  /** Absent: true. */
  readonly causal?: boolean
}

/**
 * Causal attention within one sequence whose tokens are the rows, in order: q [tokens, heads, width],
 * k and v [tokens, kvHeads, width]; query head h reads kv head ⌊h · kvHeads / heads⌋. With a `window`, token p reads only
 * the tokens max(0, p - window + 1) .. p; 0 or absent: all up to its own. Where `causal` is false every token reads all. A
 * `softCap` above 0 bends the scaled scores s to softCap · tanh(s / softCap) before the softmax (Gemma Team 2024).
 * Pure: `insertCache` rewrites it to `cachedAttention` for the modes that keep a cache.
 */
export const attention = defineOp({
  name: 'attention',
  inputs: { q: ['f32'], k: ['f32'], v: ['f32'] },
  outputs: ['y'],
  infer({ q, k, v }, attributes: AttentionAttributes, refuse) {
    if (q.shape.length !== 3 || k.shape.length !== 3 || v.shape.length !== 3) refuse('q, k and v need three axes')
    if (k.shape.join() !== v.shape.join()) refuse(`k is [${k.shape}] and v is [${v.shape}]; they must be equal`)
    if (q.shape[0] !== k.shape[0]) refuse(`q has ${q.shape[0]} rows and k has ${k.shape[0]}`)
    if (axis(q, 2) !== axis(k, 2)) refuse(`heads of q are ${axis(q, 2)} wide and those of k ${axis(k, 2)}`)
    if (axis(q, 1) % axis(k, 1) !== 0) refuse(`${axis(q, 1)} heads are not a multiple of ${axis(k, 1)} kv heads`)
    checkAttributes(attributes, refuse)
    const { causal, window } = attributes
    if (causal === false && window) refuse(`window is ${window}; accepted: none where attention is not causal`)
    return { y: q }
  },
  reference({ q, k, v }, attributes) {
    const { causal = true, window } = attributes
    const [tokens = 0, heads = 0, width = 0] = q.shape
    const kvHeads = k.shape[1] ?? 1
    const y = tensor(q.shape)
    for (let t = 0; t < tokens; t++) {
      for (let h = 0; h < heads; h++) {
        const kvHead = Math.floor((h * kvHeads) / heads)
        const at = (t * heads + h) * width
        const row = (u: number) => (u * kvHeads + kvHead) * width
        const end = causal ? t + 1 : tokens
        attendTo(q.data, at, width, attributes, firstAttended(t, window), end, k.data, row, v.data, row, y.data)
      }
    }
    return { y }
  },
  lower({ q }) {
    fail('kernel_missing', {
      where: q.name,
      what: 'attention without a cache',
      accepted: 'prefill and decode modes, where insertCache has run',
    })
  },
  tolerance: { relative: 32 },
  samples: () =>
    [
      { tokens: 1, heads: 1, kvHeads: 1 },
      { tokens: 5, heads: 6, kvHeads: 2 },
      { tokens: 5, heads: 6, kvHeads: 2, window: 2 },
      { tokens: 5, heads: 6, kvHeads: 2, softCap: 0.7 },
      { tokens: 5, heads: 6, kvHeads: 2, causal: false },
    ].map(({ tokens, heads, kvHeads, window = 0, softCap = 0, causal = true }) => {
      const kv = { dtype: 'f32', shape: [tokens, kvHeads, 10] } as const
      const given = {
        ...(window ? { window } : {}),
        ...(softCap ? { softCap } : {}),
        ...(causal ? {} : { causal }),
      }
      return {
        inputs: { q: { dtype: 'f32', shape: [tokens, heads, 10] }, k: kv, v: kv },
        attributes: { scale: 0.3, ...given },
      }
    }),
  refusals: [
    {
      inputs: { q: denseRow(['tokens', 3, 8]), k: denseRow(['tokens', 2, 8]), v: denseRow(['tokens', 2, 8]) },
      attributes: { scale: 1 },
      says: '3 heads are not a multiple of 2 kv heads',
    },
    {
      inputs: { q: denseRow(['tokens', 2, 8]), k: denseRow(['tokens', 2, 8]), v: denseRow(['tokens', 2, 8]) },
      attributes: { scale: 1, window: -1 },
      says: 'window is -1; accepted: 0 (none) or a whole number of tokens',
    },
    {
      inputs: { q: denseRow(['tokens', 2, 8]), k: denseRow(['tokens', 2, 8]), v: denseRow(['tokens', 2, 8]) },
      attributes: { scale: 1, softCap: -1 },
      says: 'softCap is -1; accepted: 0 (none) or a number above 0',
    },
    {
      inputs: { q: denseRow(['tokens', 2, 8]), k: denseRow(['tokens', 2, 8]), v: denseRow(['tokens', 2, 8]) },
      attributes: { scale: 1, window: 3, causal: false },
      says: 'window is 3; accepted: none where attention is not causal',
    },
  ],
})

/** Refuses attributes that attention cannot have. */
export function checkAttributes(
  { scale, window, softCap }: AttentionAttributes,
  refuse: (what: string) => never,
): void {
  if (!(scale > 0)) refuse(`scale is ${scale}; accepted: a number above 0`)
  if (window !== undefined && !(Number.isSafeInteger(window) && window >= 0))
    refuse(`window is ${window}; accepted: 0 (none) or a whole number of tokens`)
  if (softCap !== undefined && !(softCap >= 0 && Number.isFinite(softCap)))
    refuse(`softCap is ${softCap}; accepted: 0 (none) or a number above 0`)
}

/** The first position that the token at `position` reads. */
export function firstAttended(position: number, window: number | undefined): number {
  return window ? Math.max(0, position - window + 1) : 0
}

/**
 * softmax(scale · q·kᵀ)·v of one query over keys begin .. end - 1, in float64, with capped scores where there is a cap; rows
 * of k and v begin where the functions say.
 */
export function attendTo(
  q: Float64Array,
  qAt: number,
  width: number,
  { scale, softCap = 0 }: AttentionAttributes,
  begin: number,
  end: number,
  k: Float64Array,
  kRow: (u: number) => number,
  v: Float64Array,
  vRow: (u: number) => number,
  y: Float64Array,
): void {
  const scores = new Float64Array(end - begin)
  let largest = Number.NEGATIVE_INFINITY
  for (let u = begin; u < end; u++) {
    let dot = 0
    for (let c = 0; c < width; c++) dot += q[qAt + c]! * k[kRow(u) + c]!
    const score = softCapOf(dot * scale, softCap)
    scores[u - begin] = score
    largest = Math.max(largest, score)
  }
  let total = 0
  for (let i = 0; i < scores.length; i++) {
    scores[i] = Math.exp(scores[i]! - largest)
    total += scores[i]!
  }
  for (let u = begin; u < end; u++) {
    for (let c = 0; c < width; c++) y[qAt + c]! += (scores[u - begin]! / total) * v[vRow(u) + c]!
  }
}
