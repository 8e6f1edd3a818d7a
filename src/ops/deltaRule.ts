import { fail } from '../base/errors.ts'
import type { TensorType } from '../ir/graph.ts'
import { defineOp } from '../ir/op.ts'
import { type Tensor, tensor } from '../ir/tensor.ts'
import { widestKey } from '../kernels/delta/delta.kernel.ts'
import { axis, denseRow } from './shapes.ts'

/** Which key head a value head reads: `grouped`: neighbours share one; `tiled`: heads that are keyHeads apart. */
export type HeadOrder = 'grouped' | 'tiled'

/** A type and not an interface: attributes are records of any names. */
export type DeltaAttributes = { scale: number; order: HeadOrder }

/**
 * The gated delta rule (Yang et al. 2024) within one sequence whose tokens are the rows, in order: q and k [tokens, keyHeads,
 * width], v [tokens, valueHeads, valueWidth], decay and beta [tokens, valueHeads]. For every value head a state S [width,
 * valueWidth], 0 before the first token: S' = decay · S, d = beta · (v - kᵀS'), S = S' + k dᵀ, y = scale · qᵀS.
 * Pure: `insertStates` rewrites it to `carriedDeltaRule` for the modes that keep a state.
 */
export const deltaRule = defineOp({
  name: 'deltaRule',
  inputs: { q: ['f32'], k: ['f32'], v: ['f32'], decay: ['f32'], beta: ['f32'] },
  outputs: ['y'],
  infer(inputs, attributes: DeltaAttributes, refuse) {
    checkDelta(inputs, attributes, refuse)
    return { y: inputs.v }
  },
  reference(inputs, attributes) {
    const { v, k } = inputs
    const [tokens = 0, heads = 0, valueWidth = 0] = v.shape
    const y = tensor(v.shape)
    const state = new Float64Array(heads * k.shape[2]! * valueWidth)
    for (let t = 0; t < tokens; t++) advanceDelta(inputs, attributes, t, state, y)
    return { y }
  },
  lower({ q }) {
    fail('kernel_missing', {
      where: q.name,
      what: 'a delta rule without a state',
      accepted: 'prefill and decode modes, where insertStates has run',
    })
  },
  tolerance: { relative: 64 },
  samples: () =>
    (['grouped', 'tiled'] as const).map((order) => ({
      inputs: {
        q: { dtype: 'f32', shape: [5, 2, 7] },
        k: { dtype: 'f32', shape: [5, 2, 7] },
        v: { dtype: 'f32', shape: [5, 4, 3] },
        decay: { dtype: 'f32', shape: [5, 4] },
        beta: { dtype: 'f32', shape: [5, 4] },
      },
      attributes: { scale: 0.3, order },
    })),
  refusals: [
    {
      inputs: {
        q: denseRow(['tokens', 2, 8]),
        k: denseRow(['tokens', 2, 8]),
        v: denseRow(['tokens', 3, 8]),
        decay: denseRow(['tokens', 3]),
        beta: denseRow(['tokens', 3]),
      },
      attributes: { scale: 1, order: 'grouped' },
      says: '3 value heads are not a multiple of 2 key heads',
    },
    {
      inputs: {
        q: denseRow(['tokens', 2, 8]),
        k: denseRow(['tokens', 2, 8]),
        v: denseRow(['tokens', 4, 8]),
        decay: denseRow(['tokens', 2]),
        beta: denseRow(['tokens', 4]),
      },
      attributes: { scale: 1, order: 'grouped' },
      says: 'decay is [tokens,2]; accepted: [tokens,4]',
    },
  ],
})

/** Refuses operands that do not fit each other. */
export function checkDelta(
  { q, k, v, decay, beta }: { readonly [slot in 'q' | 'k' | 'v' | 'decay' | 'beta']: TensorType },
  { scale, order }: DeltaAttributes,
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
    const keyHead = order === 'tiled' ? h % keyHeads : Math.floor((h * keyHeads) / heads)
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
