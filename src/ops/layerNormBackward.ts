import { defineOp } from '../ir/op.ts'
import { rowsAndCols, tensor } from '../ir/tensor.ts'
import { refuseLowering } from './missingKernel.ts'
import { checkNormGradient, normGradientSamples } from './normGradient.ts'
import { denseRow } from './shapes.ts'

/**
 * The gradient of layerNorm, with s = 1 / √(variance(x) + eps) and n = (x - mean(x)) · s of each row, e = dy · gain:
 * dx = s · (e - mean(e) - n · mean(e · n)), dgain = Σ dy · n over the rows. That of the bias is a sum of rows.
 */
export const layerNormBackward = defineOp({
  name: 'layerNormBackward',
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
      const row = x.data.subarray(r * cols, (r + 1) * cols)
      const mean = row.reduce((sum, value) => sum + value, 0) / cols
      const variance = row.reduce((sum, value) => sum + (value - mean) ** 2, 0) / cols
      const scale = 1 / Math.sqrt(variance + eps)
      const normed = row.map((value) => (value - mean) * scale)
      const given = normed.map((_, c) => dy.data[r * cols + c]! * gain.data[c]!)
      const level = given.reduce((sum, value) => sum + value, 0) / cols
      const along = given.reduce((sum, value, c) => sum + value * normed[c]!, 0) / cols
      for (let c = 0; c < cols; c++) {
        dx.data[r * cols + c] = scale * (given[c]! - level - normed[c]! * along)
        dgain.data[c]! += dy.data[r * cols + c]! * normed[c]!
      }
    }
    return { dx, dgain }
  },
  lower({ x }) {
    refuseLowering(x, 'the gradient of layerNorm')
  },
  tolerance: { relative: 16 },
  samples: normGradientSamples,
  refusals: [
    {
      inputs: { x: denseRow(['tokens', 8]), gain: denseRow([9]), dy: denseRow(['tokens', 8]) },
      attributes: { eps: 1e-5 },
      says: 'gain is [9]; accepted: [8]',
    },
  ],
})
