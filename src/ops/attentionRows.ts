import type { Attributes, TensorType } from '../ir/graph.ts'
import type { SampleInput } from '../ir/op.ts'
import type { Tensor } from '../ir/tensor.ts'
import { checkLength, firstOf } from './batchRows.ts'
import { axis } from './shapes.ts'
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
  /** Tokens that one row of the batch has, which do not read those of another; 0 or absent: there is one row. */
  readonly length?: number
}

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

/**
 * The rows begin .. end - 1 that the token of row t reads of a step whose sequences lie one behind the other. `starts`: the
 * row where the sequence of each token begins; absent: 0 for all.
 */
export function attendedRows(
  t: number,
  tokens: number,
  { causal = true, window, length }: AttentionAttributes,
  starts: Tensor | undefined,
): { begin: number; end: number } {
  const begin = Math.max(firstOf(t, starts, length), firstAttended(t, window))
  if (causal) return { begin, end: t + 1 }
  const stop = length ? Math.min(tokens, t - (t % length) + length) : tokens
  let end = t + 1
  while (end < stop && starts?.data[end] === starts?.data[t]) end++
  return { begin, end }
}

/** Refuses `starts` that are not one for each row of q. */
export function checkStarts(q: TensorType, starts: TensorType | undefined, refuse: (what: string) => never): void {
  if (starts && (starts.shape.length !== 1 || starts.shape[0] !== q.shape[0]))
    refuse(`starts is [${starts.shape}]; accepted: [${q.shape[0]}], one for each token`)
}

/** Refuses queries, keys and values that do not fit each other. */
export function checkHeads(
  { q, k, v }: { readonly [slot in 'q' | 'k' | 'v']: TensorType },
  attributes: AttentionAttributes,
  refuse: (what: string) => never,
): void {
  if (q.shape.length !== 3 || k.shape.length !== 3 || v.shape.length !== 3) refuse('q, k and v need three axes')
  if (k.shape.join() !== v.shape.join()) refuse(`k is [${k.shape}] and v is [${v.shape}]; they must be equal`)
  if (q.shape[0] !== k.shape[0]) refuse(`q has ${q.shape[0]} rows and k has ${k.shape[0]}`)
  if (axis(q, 2) !== axis(k, 2)) refuse(`heads of q are ${axis(q, 2)} wide and those of k ${axis(k, 2)}`)
  if (axis(q, 1) % axis(k, 1) !== 0) refuse(`${axis(q, 1)} heads are not a multiple of ${axis(k, 1)} kv heads`)
  checkAttributes(attributes, refuse)
  checkLength(q.shape[0]!, attributes.length, refuse)
  const { causal, window } = attributes
  if (causal === false && window) refuse(`window is ${window}; accepted: none where attention is not causal`)
}

/** Sizes and attributes of cases for attention and its gradient. */
export const attentionSamples: readonly (AttentionSizes & { readonly attributes: AttentionAttributes })[] = [
  { tokens: 1, heads: 1, kvHeads: 1, attributes: { scale: 0.3 } },
  { tokens: 5, heads: 6, kvHeads: 2, attributes: { scale: 0.3 } },
  { tokens: 5, heads: 6, kvHeads: 2, attributes: { scale: 0.3, window: 2 } },
  { tokens: 5, heads: 6, kvHeads: 2, attributes: { scale: 0.3, softCap: 0.7 } },
  { tokens: 5, heads: 6, kvHeads: 2, attributes: { scale: 0.3, causal: false } },
  { tokens: 5, heads: 2, kvHeads: 1, starts: [0, 0, 2, 2, 2], attributes: { scale: 0.3, window: 2 } },
  { tokens: 5, heads: 2, kvHeads: 2, starts: [0, 0, 2, 2, 2], attributes: { scale: 0.3, causal: false } },
  { tokens: 6, heads: 2, kvHeads: 1, attributes: { scale: 0.3, length: 3 } },
  { tokens: 6, heads: 2, kvHeads: 1, starts: [0, 1, 1, 3, 3, 5], attributes: { scale: 0.3, length: 3 } },
]

interface AttentionSizes {
  readonly tokens: number
  readonly heads: number
  readonly kvHeads: number
  readonly starts?: readonly number[]
}

/** Types of the operands of a case; `kv` is that of keys and of values. */
export function attentionInputs({ tokens, heads, kvHeads, starts }: AttentionSizes): {
  readonly q: SampleInput
  readonly kv: SampleInput
  readonly starts?: SampleInput
} {
  return {
    q: { dtype: 'f32', shape: [tokens, heads, 10] },
    kv: { dtype: 'f32', shape: [tokens, kvHeads, 10] },
    ...(starts ? { starts: { dtype: 'i32', shape: [tokens], values: starts } } : {}),
  }
}
