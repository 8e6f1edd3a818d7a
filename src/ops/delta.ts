import type { TensorType } from '../ir/graph.ts'
import type { Sample, SampleInput } from '../ir/op.ts'
import type { Tensor } from '../ir/tensor.ts'
import { widestKey } from '../kernels/delta/delta.kernel.ts'
import { batchOf, checkLength } from './batchRows.ts'
import { axis } from './shapes.ts'

/** Which key head a value head reads: `grouped`: neighbours share one; `tiled`: heads that are keyHeads apart. */
export type HeadOrder = 'grouped' | 'tiled'

/** A type and not an interface: attributes are records of any names. */
export type DeltaAttributes = {
  readonly scale: number
  readonly order: HeadOrder
  /** Tokens of each row of the batch; 0 or absent: all. */
  readonly length?: number
}

/** The key head that value head `head` of `heads` reads. */
export function keyHeadOf(head: number, keyHeads: number, heads: number, order: HeadOrder): number {
  return order === 'tiled' ? head % keyHeads : Math.floor((head * keyHeads) / heads)
}

/** Refuses operands that do not fit each other. */
export function checkDelta(
  { q, k, v, decay, beta }: { readonly [slot in 'q' | 'k' | 'v' | 'decay' | 'beta']: TensorType },
  { scale, order, length }: DeltaAttributes,
  refuse: (what: string) => never,
): void {
  if (q.shape.length !== 3 || v.shape.length !== 3) refuse('q, k and v need three axes')
  if (q.shape.join() !== k.shape.join()) refuse(`q is [${q.shape}] and k is [${k.shape}]; they must be equal`)
  if (v.shape[0] !== q.shape[0]) refuse(`q has ${q.shape[0]} rows and v has ${v.shape[0]}`)
  if (axis(v, 1) % axis(q, 1) !== 0) refuse(`${axis(v, 1)} value heads are not a multiple of ${axis(q, 1)} key heads`)
  if (axis(q, 2) > widestKey) refuse(`keys are ${axis(q, 2)} wide; accepted: at most ${widestKey}`)
  const gates = v.shape.slice(0, 2).join()
  for (const [name, { shape }] of Object.entries({ decay, beta }))
    if (shape.join() !== gates) refuse(`${name} is [${shape}]; accepted: [${gates}]`)
  if (!(scale > 0)) refuse(`scale is ${scale}; accepted: a number above 0`)
  if (order !== 'grouped' && order !== 'tiled') refuse(`order is '${String(order)}'; accepted: grouped, tiled`)
  checkLength(v.shape[0]!, length, refuse)
}

/** What the kernels over rows are told of a delta rule, but for strides and buffers. */
export function deltaSizes(k: TensorType, v: TensorType, { scale, order, length }: DeltaAttributes) {
  const heads = { keyHeads: axis(k, 1), valueHeads: axis(v, 1), keyWidth: axis(k, 2), valueWidth: axis(v, 2) }
  return { tokens: v.shape[0]!, batch: batchOf(v, length), ...heads, scale, tiled: order === 'tiled' ? 1 : 0 }
}

type DeltaSlot = 'q' | 'k' | 'v' | 'decay' | 'beta' | 'starts'

/** Cases over rows: with and without sequences within a row, and rows of a batch. */
export function deltaSamples(lanes: number): readonly Sample<DeltaSlot, DeltaAttributes>[] {
  const small = { tokens: 5, keyHeads: 2, valueHeads: 4, width: 7, valueWidth: 3 }
  const f32 = (...shape: number[]): SampleInput => ({ dtype: 'f32', shape })
  return [
    { ...small, order: 'grouped' as const },
    { ...small, order: 'tiled' as const, starts: [0, 0, 2, 2, 2] },
    { ...small, tokens: 6, keyHeads: 1, valueHeads: 2, order: 'tiled' as const, length: 3, starts: [0, 0, 2, 3, 3, 3] },
    { ...small, tokens: 8, keyHeads: 1, valueHeads: 1, valueWidth: lanes + 1, order: 'grouped' as const, length: 4 },
  ].map(({ tokens, keyHeads, valueHeads, width, valueWidth, order, ...rows }) => ({
    inputs: {
      q: f32(tokens, keyHeads, width),
      k: f32(tokens, keyHeads, width),
      v: f32(tokens, valueHeads, valueWidth),
      decay: f32(tokens, valueHeads),
      beta: f32(tokens, valueHeads),
      ...('starts' in rows ? { starts: { dtype: 'i32', shape: [tokens], values: rows.starts } } : {}),
    },
    attributes: { scale: 0.3, order, ...('length' in rows ? { length: rows.length } : {}) },
  }))
}

/** One token in float64: advances `state` [valueHeads, width, valueWidth] and writes its row of y. */
export function advanceDelta(
  { q, k, v, decay, beta }: { readonly [slot in 'q' | 'k' | 'v' | 'decay' | 'beta']: Tensor },
  { scale, order }: DeltaAttributes,
  token: number,
  state: Float64Array,
  y: Tensor,
): void {
  const [, keyHeads = 1, width = 0] = k.shape
  const [, heads = 0, valueWidth = 0] = v.shape
  for (let h = 0; h < heads; h++) {
    const keyHead = keyHeadOf(h, keyHeads, heads, order)
    const key = (token * keyHeads + keyHead) * width
    const value = (token * heads + h) * valueWidth
    const kept = decay.data[token * heads + h]!
    for (let c = 0; c < valueWidth; c++) {
      const at = (i: number) => (h * width + i) * valueWidth + c
      let known = 0
      for (let i = 0; i < width; i++) known += k.data[key + i]! * kept * state[at(i)]!
      const change = beta.data[token * heads + h]! * (v.data[value + c]! - known)
      let sum = 0
      for (let i = 0; i < width; i++) {
        state[at(i)] = kept * state[at(i)]! + k.data[key + i]! * change
        sum += q.data[key + i]! * state[at(i)]!
      }
      y.data[value + c] = scale * sum
    }
  }
}
