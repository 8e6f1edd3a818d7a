import { defineOp } from '../ir/op.ts'
import { rowsAndCols } from '../ir/tensor.ts'
import { rmsNormGainGradient, rmsNormGradient } from '../kernels/normgrad/normgrad.kernel.ts'
import { checkNormGradient, normGradientSamples, startOf, vectorsOf } from './normGradient.ts'
import { denseRow } from './shapes.ts'

/**
 * The gradient of rmsNorm, with s = 1 / √(mean(x²) + eps) of each row:
 * dx = sum + s · dy · gain - x · s³ · mean(dy · gain · x), dgain = gainSum + Σ dy · x · s over the rows. Sums that are absent
 * are 0.
 */
export const rmsNormBackward = defineOp({
  name: 'rmsNormBackward',
  inputs: { x: ['f32'], gain: ['f32'], dy: ['f32'], sum: ['f32'], gainSum: ['f32'] },
  optional: ['sum', 'gainSum'],
  outputs: ['dx', 'dgain'],
  sums: { dx: 'sum', dgain: 'gainSum' },
  infer({ x, gain, dy, sum, gainSum }, _attributes: { eps: number }, refuse) {
    checkNormGradient({ x, gain, dy }, { sum, gainSum }, refuse)
    return { dx: x, dgain: gain }
  },
  reference({ x, gain, dy, sum, gainSum }, { eps }) {
    const { rows, cols } = rowsAndCols(x)
    const [dx, dgain] = [startOf(sum, x), startOf(gainSum, gain)]
    for (let r = 0; r < rows; r++) {
      let squares = 0
      let along = 0
      for (let c = 0; c < cols; c++) {
        const value = x.data[r * cols + c]!
        squares += value ** 2
        along += dy.data[r * cols + c]! * gain.data[c]! * value
      }
      const scale = 1 / Math.sqrt(squares / cols + eps)
      for (let c = 0; c < cols; c++) {
        const value = x.data[r * cols + c]!
        const given = dy.data[r * cols + c]!
        dx.data[r * cols + c]! += scale * given * gain.data[c]! - (value * scale ** 3 * along) / cols
        dgain.data[c]! += given * value * scale
      }
    }
    return { dx, dgain }
  },
  lower({ x, gain, dy, sum, gainSum = null }, { dx, dgain }, { eps }, to) {
    const { dims, perVector } = vectorsOf({ x, dy }, to)
    const scale = perVector('scale')
    const strides = { sumRow: sum ? to.stride(sum) : 0, dxRow: to.stride(dx) }
    to.call(rmsNormGradient, { ...dims, ...strides, eps, x, gain, dy, sum: sum ?? null, scale, dx })
    to.call(rmsNormGainGradient, { ...dims, x, dy, scale, sum: gainSum, dgain })
  },
  tolerance: { relative: 16 },
  samples: (lanes) => normGradientSamples(lanes, ['sum', 'gainSum']),
  refusals: [
    {
      inputs: { x: denseRow(['tokens', 8]), gain: denseRow([8]), dy: denseRow(['tokens', 9]) },
      attributes: { eps: 1e-5 },
      says: 'dy is [tokens,9]; accepted: [tokens,8]',
    },
    {
      inputs: {
        ...{ x: denseRow(['tokens', 8]), gain: denseRow([8]), dy: denseRow(['tokens', 8]) },
        gainSum: denseRow(['tokens', 8]),
      },
      attributes: { eps: 1e-5 },
      says: 'gainSum is [tokens,8]; accepted: [8]',
    },
  ],
})
