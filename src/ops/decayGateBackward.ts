import type { NoAttributes } from '../ir/graph.ts'
import { defineOp } from '../ir/op.ts'
import { tensor } from '../ir/tensor.ts'
import { decayGateGradient } from '../kernels/slopes/slopes.kernel.ts'
import { denseRow, lastAxis } from './shapes.ts'

/**
 * The gradient of y = e^(rate · s), s = softplus(x + bias): dx = dy · y · rate · sigmoid(x + bias), dbias = biasSum + Σ dx over
 * the rows, drate = rateSum + Σ dy · y · s. Sums that are absent are 0.
 */
export const decayGateBackward = defineOp({
  name: 'decayGateBackward',
  inputs: { x: ['f32'], rate: ['f32'], bias: ['f32'], dy: ['f32'], rateSum: ['f32'], biasSum: ['f32'] },
  optional: ['rateSum', 'biasSum'],
  exact: ['x'],
  outputs: ['dx', 'drate', 'dbias'],
  sums: { drate: 'rateSum', dbias: 'biasSum' },
  infer({ x, rate, bias, dy, rateSum, biasSum }, _attributes: NoAttributes, refuse) {
    if (x.shape.length !== 2) refuse(`x needs two axes, not ${x.shape.length}`)
    if (dy.shape.join() !== x.shape.join()) refuse(`dy is [${dy.shape}]; accepted: [${x.shape}]`)
    for (const { shape } of [rate, bias])
      if (shape.join() !== String(lastAxis(x))) refuse(`rate or bias is [${shape}]; accepted: [${lastAxis(x)}]`)
    for (const sum of [rateSum, biasSum])
      if (sum && sum.shape.join() !== rate.shape.join()) refuse(`a sum is [${sum.shape}]; accepted: [${rate.shape}]`)
    return { dx: x, drate: rate, dbias: bias }
  },
  reference({ x, rate, bias, dy, rateSum, biasSum }) {
    const cols = rate.data.length
    const [dx, drate, dbias] = [tensor(x.shape), tensor(rate.shape, rateSum?.data), tensor(bias.shape, biasSum?.data)]
    x.data.forEach((value, i) => {
      const c = i % cols
      const v = value + bias.data[c]!
      const softplus = Math.max(v, 0) + Math.log1p(Math.exp(-Math.abs(v)))
      const flow = dy.data[i]! * Math.exp(rate.data[c]! * softplus)
      dx.data[i] = (flow * rate.data[c]!) / (1 + Math.exp(-v))
      drate.data[c]! += flow * softplus
      dbias.data[c]! += dx.data[i]!
    })
    return { dx, drate, dbias }
  },
  lower({ x, rate, bias, dy, rateSum = null, biasSum = null }, { dx, drate, dbias }, _attributes, to) {
    const dims = { rows: x.type.shape[0]!, cols: lastAxis(x.type) }
    const strides = { xRow: to.stride(x), dyRow: to.stride(dy), dxRow: to.stride(dx) }
    to.call(decayGateGradient, { ...dims, ...strides, x, rate, bias, dy, rateSum, biasSum, dx, drate, dbias })
  },
  tolerance: { relative: 32 },
  samples: (lanes) =>
    [1, 2 * lanes + 1].map((cols) => ({
      inputs: {
        x: { dtype: 'f32', shape: [3, cols] },
        rate: { dtype: 'f32', shape: [cols] },
        bias: { dtype: 'f32', shape: [cols] },
        dy: { dtype: 'f32', shape: [3, cols] },
        ...(cols === 1
          ? {}
          : { rateSum: { dtype: 'f32' as const, shape: [cols] }, biasSum: { dtype: 'f32' as const, shape: [cols] } }),
      },
      attributes: {},
    })),
  refusals: [
    {
      inputs: {
        x: denseRow(['tokens', 8]),
        rate: denseRow([8]),
        bias: denseRow([8]),
        dy: denseRow(['tokens', 9]),
      },
      attributes: {},
      says: 'dy is [tokens,9]; accepted: [tokens,8]',
    },
  ],
})
