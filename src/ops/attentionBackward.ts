import { defineOp } from '../ir/op.ts'
import { tensor } from '../ir/tensor.ts'
import { selfAttentionBackward, selfAttentionBackwardRoom } from '../kernels/selfattention/selfattention.kernel.ts'
import { attentionCall, attentionScratch } from './attentionCall.ts'
import {
  type AttentionAttributes,
  attendedRows,
  attentionInputs,
  attentionSamples,
  checkHeads,
  checkStarts,
} from './attentionRows.ts'
import { denseRow } from './shapes.ts'
import { softCapOf } from './softCap.ts'

/**
 * The gradient of attention, from its result y. The scores z = softCap(scale · q·k) and shares p = softmax(z) of a row are
 * computed again: dv[u] += p[u] · dy, dz[u] = p[u] · (dy·v[u] - dy·y), ds[u] = dz[u] · (1 - (z[u] / cap)²) · scale,
 * dq = Σ ds[u] · k[u], dk[u] += ds[u] · q. Heads that share keys and values add to the same rows.
 */
export const attentionBackward = defineOp({
  name: 'attentionBackward',
  inputs: { q: ['f32'], k: ['f32'], v: ['f32'], starts: ['i32'], y: ['f32'], dy: ['f32'] },
  optional: ['starts'],
  outputs: ['dq', 'dk', 'dv'],
  infer({ q, k, v, starts, y, dy }, attributes: AttentionAttributes, refuse) {
    checkHeads({ q, k, v }, attributes, refuse)
    checkStarts(q, starts, refuse)
    if (y.shape.join() !== q.shape.join()) refuse(`y is [${y.shape}]; accepted: [${q.shape}]`)
    if (dy.shape.join() !== q.shape.join()) refuse(`dy is [${dy.shape}]; accepted: [${q.shape}]`)
    return { dq: q, dk: k, dv: v }
  },
  reference({ q, k, v, starts, y, dy }, attributes) {
    const { scale, softCap = 0 } = attributes
    const [tokens = 0, heads = 0, width = 0] = q.shape
    const kvHeads = k.shape[1] ?? 1
    const [dq, dk, dv] = [tensor(q.shape), tensor(k.shape), tensor(v.shape)]
    const dot = (a: Float64Array, aAt: number, b: Float64Array, bAt: number) => {
      let sum = 0
      for (let c = 0; c < width; c++) sum += a[aAt + c]! * b[bAt + c]!
      return sum
    }
    for (let t = 0; t < tokens; t++) {
      const { begin, end } = attendedRows(t, tokens, attributes, starts)
      for (let h = 0; h < heads; h++) {
        const kvHead = Math.floor((h * kvHeads) / heads)
        const at = (t * heads + h) * width
        const row = (i: number) => ((begin + i) * kvHeads + kvHead) * width
        const keys = Array.from({ length: end - begin }, (_, i) => i)
        const scores = keys.map((i) => softCapOf(dot(q.data, at, k.data, row(i)) * scale, softCap))
        const largest = Math.max(...scores)
        const total = scores.reduce((sum, score) => sum + Math.exp(score - largest), 0)
        const shares = scores.map((score) => Math.exp(score - largest) / total)
        const flows = keys.map((i) => dot(dy.data, at, v.data, row(i)))
        const mean = dot(dy.data, at, y.data, at)
        for (const i of keys) {
          const bend = softCap > 0 ? 1 - (scores[i]! / softCap) ** 2 : 1
          const ds = shares[i]! * (flows[i]! - mean) * bend * scale
          for (let c = 0; c < width; c++) {
            dq.data[at + c]! += ds * k.data[row(i) + c]!
            dk.data[row(i) + c]! += ds * q.data[at + c]!
            dv.data[row(i) + c]! += shares[i]! * dy.data[at + c]!
          }
        }
      }
    }
    return { dq, dk, dv }
  },
  lower({ q, k, v, starts, y, dy }, { dq, dk, dv }, attributes, to) {
    const { batch, longest, kvHeads, width, args } = attentionCall({ q, k, v, starts }, attributes, to)
    const each = selfAttentionBackwardRoom(longest, width, args.softCap > 0)
    const room = attentionScratch(each, batch * kvHeads)
    const scratch = to.scratch('scratch', { dtype: 'f32', shape: [room] })
    const strides = { yRow: to.stride(y), dyRow: to.stride(dy) }
    to.call(selfAttentionBackward, { ...args, ...strides, room, y, dy, dq, dk, dv, scratch })
  },
  tolerance: { relative: 64 },
  samples: () =>
    attentionSamples.map(({ attributes, ...sizes }) => {
      const { kv, ...inputs } = attentionInputs(sizes)
      return { inputs: { ...inputs, k: kv, v: kv, y: inputs.q, dy: inputs.q }, attributes }
    }),
  refusals: [
    {
      inputs: {
        q: denseRow(['tokens', 4, 8]),
        k: denseRow(['tokens', 2, 8]),
        v: denseRow(['tokens', 2, 8]),
        y: denseRow(['tokens', 4, 8]),
        dy: denseRow(['tokens', 2, 8]),
      },
      attributes: { scale: 1 },
      says: 'dy is [tokens,2,8]; accepted: [tokens,4,8]',
    },
    {
      inputs: {
        q: denseRow(['tokens', 4, 8]),
        k: denseRow(['tokens', 2, 8]),
        v: denseRow(['tokens', 2, 8]),
        y: denseRow(['tokens', 2, 8]),
        dy: denseRow(['tokens', 4, 8]),
      },
      attributes: { scale: 1 },
      says: 'y is [tokens,2,8]; accepted: [tokens,4,8]',
    },
  ],
})
