import { defineOp } from '../ir/op.ts'
import { tensor } from '../ir/tensor.ts'
import { deltaRoom, deltaRuleBackward as deltaRuleGradients } from '../kernels/delta/delta.kernel.ts'
import { checkStarts } from './attentionRows.ts'
import { firstOf } from './batchRows.ts'
import { checkDelta, type DeltaAttributes, deltaSamples, deltaSizes, keyHeadOf } from './delta.ts'
import { denseRow } from './shapes.ts'

/** Parts that find room; with more, some stand idle. */
const mostParts = 16

/**
 * The gradient of deltaRule. The states S before every token are computed again; from the last token on, with D the gradient
 * of the state behind the token: D += scale · q dyᵀ, dq = scale · S_after · dy, and with S' = decay · S, e = v - kᵀS',
 * d = beta · e: dk = D d, then of d: dd = Dᵀk, dbeta = dd·e, dv = beta · dd, dk -= S' dv, D -= k dvᵀ, ddecay = Σ D · S,
 * D = decay · D. In memory are about 2√T states of the columns that are taken at once, T being the tokens of a row of the
 * batch (`deltaRoom`), for each of at most 16 parts; never T.
 */
export const deltaRuleBackward = defineOp({
  name: 'deltaRuleBackward',
  inputs: { q: ['f32'], k: ['f32'], v: ['f32'], decay: ['f32'], beta: ['f32'], starts: ['i32'], dy: ['f32'] },
  optional: ['starts'],
  exact: ['decay', 'beta'],
  outputs: ['dq', 'dk', 'dv', 'ddecay', 'dbeta'],
  infer({ q, k, v, decay, beta, starts, dy }, attributes: DeltaAttributes, refuse) {
    checkDelta({ q, k, v, decay, beta }, attributes, refuse)
    checkStarts(v, starts, refuse)
    if (dy.shape.join() !== v.shape.join()) refuse(`dy is [${dy.shape}]; accepted: [${v.shape}]`)
    return { dq: q, dk: k, dv: v, ddecay: decay, dbeta: beta }
  },
  reference({ q, k, v, decay, beta, starts, dy }, { scale, order, length }) {
    const [, keyHeads = 1, width = 0] = k.shape
    const [tokens = 0, heads = 0, valueWidth = 0] = v.shape
    const [dq, dk, dv] = [tensor(q.shape), tensor(k.shape), tensor(v.shape)]
    const [ddecay, dbeta] = [tensor(decay.shape), tensor(beta.shape)]
    const begins = (t: number) => t === firstOf(t, starts, length)
    // Columns of a state do not meet: each value column of a head has a state of its own, [width].
    for (let h = 0; h < heads; h++) {
      const key = (t: number) => (t * keyHeads + keyHeadOf(h, keyHeads, heads, order)) * width
      for (let c = 0; c < valueWidth; c++) {
        const value = (t: number) => (t * heads + h) * valueWidth + c
        const states = [new Float64Array(width)]
        const errors: number[] = []
        for (let t = 0; t < tokens; t++) {
          if (begins(t)) states[t] = new Float64Array(width)
          const kept = decay.data[t * heads + h]!
          const before = states[t]!
          let known = 0
          for (let i = 0; i < width; i++) known += k.data[key(t) + i]! * kept * before[i]!
          errors.push(v.data[value(t)]! - known)
          const change = beta.data[t * heads + h]! * errors[t]!
          states.push(before.map((held, i) => kept * held + k.data[key(t) + i]! * change))
        }
        let flow = new Float64Array(width)
        for (let t = tokens - 1; t >= 0; t--) {
          const gate = t * heads + h
          const kept = decay.data[gate]!
          const change = beta.data[gate]! * errors[t]!
          const given = scale * dy.data[value(t)]!
          // The state behind token t, which a next sequence does not see.
          const after = states[t]!.map((held, i) => kept * held + k.data[key(t) + i]! * change)
          let dchange = 0
          for (let i = 0; i < width; i++) {
            dq.data[key(t) + i]! += given * after[i]!
            flow[i]! += given * q.data[key(t) + i]!
            dk.data[key(t) + i]! += flow[i]! * change
            dchange += flow[i]! * k.data[key(t) + i]!
          }
          dbeta.data[gate]! += dchange * errors[t]!
          const dvalue = dchange * beta.data[gate]!
          dv.data[value(t)]! += dvalue
          for (let i = 0; i < width; i++) {
            dk.data[key(t) + i]! -= dvalue * kept * states[t]![i]!
            flow[i]! -= dvalue * k.data[key(t) + i]!
            ddecay.data[gate]! += flow[i]! * states[t]![i]!
            flow[i]! *= kept
          }
          if (begins(t)) flow = new Float64Array(width)
        }
      }
    }
    return { dq, dk, dv, ddecay, dbeta }
  },
  lower({ q, k, v, decay, beta, starts, dy }, { dq, dk, dv, ddecay, dbeta }, attributes, to) {
    const sizes = deltaSizes(k.type, v.type, attributes)
    const parts = Math.min(sizes.batch * sizes.keyHeads, mostParts)
    const room = parts * deltaRoom(to.most(sizes.tokens) / sizes.batch, sizes.keyWidth, sizes.valueWidth)
    const dims = { ...sizes, room, qRow: to.stride(q), kRow: to.stride(k), vRow: to.stride(v) }
    const scratch = to.scratch('scratch', { dtype: 'f32', shape: [room] })
    const read = { q, k, v, decay, beta, starts: starts ?? null, dy }
    to.call(deltaRuleGradients, { ...dims, ...read, dq, dk, dv, ddecay, dbeta, scratch })
  },
  tolerance: { relative: 128 },
  samples: (lanes) =>
    deltaSamples(lanes).map(({ inputs, attributes }) => ({ inputs: { ...inputs, dy: inputs.v! }, attributes })),
  refusals: [
    {
      inputs: {
        q: denseRow(['tokens', 2, 8]),
        k: denseRow(['tokens', 2, 8]),
        v: denseRow(['tokens', 4, 8]),
        decay: denseRow(['tokens', 4]),
        beta: denseRow(['tokens', 4]),
        dy: denseRow(['tokens', 2, 8]),
      },
      attributes: { scale: 1, order: 'grouped' },
      says: 'dy is [tokens,2,8]; accepted: [tokens,4,8]',
    },
  ],
})
