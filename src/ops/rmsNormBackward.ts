import { defineOp } from '../ir/op.ts'
import { rowsAndCols, tensor } from '../ir/tensor.ts'
import { refuseLowering } from './missingKernel.ts'
import { checkNormGradient, normGradientSamples } from './normGradient.ts'
import { denseRow } from './shapes.ts'

/**
 * The gradient of rmsNorm, with s = 1 / √(mean(x²) + eps) of each row:
 * dx = s · dy · gain - x · s³ · mean(dy · gain · x), dgain = Σ dy · x · s over the rows.
 */
export const rmsNormBackward = defineOp({
  name: 'rmsNormBackward',
  inputs: { x: ['f32'], gain: ['f32'], dy: ['f32'] },
  outputs: ['dx', 'dgain'],
  infer({ x, gain, dy }, _attributes: { eps: number }, refuse) {
    checkNormGradient({ x, gain, dy }, refuse)
    return { dx: x, dgain: gain }
  },
  reference({ x, gain, dy }, { eps }) {
    const { rows, cols } = rowsAndCols(x)
    const dx = tensor(x.shape)
    const dgain = tensor(gain.shape)
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
        dx.data[r * cols + c] = scale * given * gain.data[c]! - (value * scale ** 3 * along) / cols
        dgain.data[c]! += given * value * scale
      }
    }
    return { dx, dgain }
  },
  lower({ x }) {
    refuseLowering(x, 'the gradient of rmsNorm')
  },
  tolerance: { relative: 16 },
  samples: normGradientSamples,
  refusals: [
    {
      inputs: { x: denseRow(['tokens', 8]), gain: denseRow([8]), dy: denseRow(['tokens', 9]) },
      attributes: { eps: 1e-5 },
      says: 'dy is [tokens,9]; accepted: [tokens,8]',
    },
  ],
})
