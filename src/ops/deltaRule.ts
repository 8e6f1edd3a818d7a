import { fail } from '../base/errors.ts'
import { defineOp } from '../ir/op.ts'
import { tensor } from '../ir/tensor.ts'
import { checkStarts } from './attentionRows.ts'
import { advanceDelta, checkDelta, type DeltaAttributes } from './delta.ts'
import { deltaRuleBackward } from './deltaRuleBackward.ts'
import { denseRow } from './shapes.ts'

/**
 * The gated delta rule (Yang et al. 2024) within one sequence whose tokens are the rows, in order: q and k [tokens, keyHeads,
 * width], v [tokens, valueHeads, valueWidth], decay and beta [tokens, valueHeads]. For every value head a state S [width,
 * valueWidth], 0 before the first token: S' = decay · S, d = beta · (v - kᵀS'), S = S' + k dᵀ, y = scale · qᵀS.
 * `starts` [tokens] says at which row the sequence of each token begins, where a step holds several.
 * Pure: `insertStates` rewrites it to `carriedDeltaRule` for the modes that keep a state.
 */
export const deltaRule = defineOp({
  name: 'deltaRule',
  inputs: { q: ['f32'], k: ['f32'], v: ['f32'], decay: ['f32'], beta: ['f32'], starts: ['i32'] },
  optional: ['starts'],
  outputs: ['y'],
  infer(inputs, attributes: DeltaAttributes, refuse) {
    checkDelta(inputs, attributes, refuse)
    checkStarts(inputs.v, inputs.starts, refuse)
    return { y: inputs.v }
  },
  reference(inputs, attributes) {
    const { v, k } = inputs
    const [tokens = 0, heads = 0, valueWidth = 0] = v.shape
    const y = tensor(v.shape)
    const state = new Float64Array(heads * k.shape[2]! * valueWidth)
    for (let t = 0; t < tokens; t++) {
      if (inputs.starts?.data[t] === t) state.fill(0)
      advanceDelta(inputs, attributes, t, state, y)
    }
    return { y }
  },
  vjp({ q, k, v, decay, beta, starts }, _outputs, { y: dy }, attributes, g) {
    const inputs = { q, k, v, decay, beta, ...(starts ? { starts } : {}), dy }
    const { dq, dk, dv, ddecay, dbeta } = g.apply(deltaRuleBackward, 'q', inputs, attributes)
    return { q: dq, k: dk, v: dv, decay: ddecay, beta: dbeta }
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
        ...(order === 'tiled' ? { starts: { dtype: 'i32', shape: [5], values: [0, 0, 2, 2, 2] } as const } : {}),
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
