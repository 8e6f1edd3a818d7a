import type { NoAttributes } from '../ir/graph.ts'
import { defineOp } from '../ir/op.ts'
import { mapTensor } from '../ir/tensor.ts'
import { decayGateForward } from '../kernels/pointwise/pointwise.kernel.ts'
import { decayGateBackward } from './decayGateBackward.ts'
import { denseRow, lastAxis } from './shapes.ts'

/**
 * y = e^(rate · softplus(x + bias)), softplus(v) = ln(1 + e^v): by how much a state keeps its values over a token. With a
 * rate below 0 that is between 0 and 1 (Gu & Dao 2023, Yang et al. 2024).
 */
export const decayGate = defineOp({
  name: 'decayGate',
  inputs: { x: ['f32'], rate: ['f32'], bias: ['f32'] },
  outputs: ['y'],
  infer({ x, rate, bias }, _attributes: NoAttributes, refuse) {
    if (x.shape.length !== 2) refuse(`x needs two axes, not ${x.shape.length}`)
    for (const { shape } of [rate, bias]) {
      if (shape.length !== 1 || shape[0] !== lastAxis(x))
        refuse(`rate is [${rate.shape}] and bias is [${bias.shape}]; accepted: [${lastAxis(x)}], the columns of x`)
    }
    return { y: x }
  },
  reference({ x, rate, bias }) {
    const cols = rate.data.length
    const y = mapTensor(x, (value, i) => {
      const v = value + bias.data[i % cols]!
      const softplus = Math.max(v, 0) + Math.log1p(Math.exp(-Math.abs(v)))
      return Math.exp(rate.data[i % cols]! * softplus)
    })
    return { y }
  },
  vjp({ x, rate, bias }, _outputs, { y: dy }, attributes, g) {
    const { dx, drate, dbias } = g.apply(decayGateBackward, 'x', { x, rate, bias, dy }, attributes)
    return { x: dx, rate: drate, bias: dbias }
  },
  lower({ x, rate, bias }, { y }, _attributes, to) {
    const dims = { rows: y.type.shape[0]!, cols: lastAxis(y.type), xRow: to.stride(x), yRow: to.stride(y) }
    to.call(decayGateForward, { ...dims, x, rate, bias, y })
  },
  tolerance: { relative: 16 },
  samples: (lanes) =>
    [1, lanes - 1, 2 * lanes + 1].map((cols) => ({
      inputs: {
        x: { dtype: 'f32', shape: [3, cols] },
        rate: { dtype: 'f32', shape: [cols] },
        bias: { dtype: 'f32', shape: [cols] },
      },
      attributes: {},
    })),
  refusals: [
    {
      inputs: { x: denseRow(['tokens', 8]), rate: denseRow([8]), bias: denseRow([9]) },
      attributes: {},
      says: 'bias is [9]; accepted: [8]',
    },
  ],
})
