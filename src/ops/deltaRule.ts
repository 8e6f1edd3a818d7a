import { defineOp } from '../ir/op.ts'
import { tensor } from '../ir/tensor.ts'
import { deltaRuleRowsForward } from '../kernels/delta/delta.kernel.ts'
import { checkStarts } from './attentionRows.ts'
import { firstOf } from './batchRows.ts'
import { advanceDelta, checkDelta, type DeltaAttributes, deltaSamples, deltaSizes } from './delta.ts'
import { deltaRuleBackward } from './deltaRuleBackward.ts'
import { denseRow } from './shapes.ts'

/**
 * The gated delta rule (Yang et al. 2024) within one sequence whose tokens are the rows, in order: q and k [tokens, keyHeads,
 * width], v [tokens, valueHeads, valueWidth], decay and beta [tokens, valueHeads]. For every value head a state S [width,
 * valueWidth], 0 before the first token: S' = decay · S, d = beta · (v - kᵀS'), S = S' + k dᵀ, y = scale · qᵀS.
 * `starts` [tokens] says at which row the sequence of each token begins, where a step holds several. `length`: tokens are rows
 * of a batch, of so many each, which do not mix (absent or 0: one row).
 * Pure: `insertStates` rewrites it to `carriedDeltaRule` for the modes that keep a state.
 */
export const deltaRule = defineOp({
  name: 'deltaRule',
  inputs: { q: ['f32'], k: ['f32'], v: ['f32'], decay: ['f32'], beta: ['f32'], starts: ['i32'] },
  optional: ['starts'],
  outputs: ['y'],
  isDear: true,
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
      if (firstOf(t, inputs.starts, attributes.length) === t) state.fill(0)
      advanceDelta(inputs, attributes, t, state, y)
    }
    return { y }
  },
  vjp({ q, k, v, decay, beta, starts }, _outputs, { y: dy }, attributes, g) {
    const inputs = { q, k, v, decay, beta, ...(starts ? { starts } : {}), dy }
    const { dq, dk, dv, ddecay, dbeta } = g.apply(deltaRuleBackward, 'q', inputs, attributes)
    return { q: dq, k: dk, v: dv, decay: ddecay, beta: dbeta }
  },
  lower({ q, k, v, decay, beta, starts }, { y }, attributes, to) {
    const strides = { qRow: to.stride(q), kRow: to.stride(k), vRow: to.stride(v), yRow: to.stride(y) }
    const dims = { ...deltaSizes(k.type, v.type, attributes), ...strides }
    to.call(deltaRuleRowsForward, { ...dims, q, k, v, decay, beta, starts: starts ?? null, y })
  },
  tolerance: { relative: 64 },
  samples: deltaSamples,
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
