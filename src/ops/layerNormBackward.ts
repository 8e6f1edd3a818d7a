import { defineOp } from '../ir/op.ts'
import { rowsAndCols } from '../ir/tensor.ts'
import { layerNormGainGradient, layerNormGradient } from '../kernels/normgrad/normgrad.kernel.ts'
import { checkNormGradient, normGradientSamples, startOf, vectorsOf } from './normGradient.ts'
import { denseRow } from './shapes.ts'

/**
 * The gradient of layerNorm, with s = 1 / √(variance(x) + eps) and n = (x - mean(x)) · s of each row, e = dy · gain:
 * dx = sum + s · (e - mean(e) - n · mean(e · n)), and over the rows dgain = gainSum + Σ dy · n and dbias = biasSum + Σ dy.
 * Sums that are absent are 0.
 */
export const layerNormBackward = defineOp({
  name: 'layerNormBackward',
  inputs: { x: ['f32'], gain: ['f32'], dy: ['f32'], sum: ['f32'], gainSum: ['f32'], biasSum: ['f32'] },
  optional: ['sum', 'gainSum', 'biasSum'],
  outputs: ['dx', 'dgain', 'dbias'],
  sums: { dx: 'sum', dgain: 'gainSum', dbias: 'biasSum' },
  infer({ x, gain, dy, sum, gainSum, biasSum }, _attributes: { eps: number }, refuse) {
    checkNormGradient({ x, gain, dy }, { sum, gainSum, biasSum }, refuse)
    return { dx: x, dgain: gain, dbias: gain }
  },
  reference({ x, gain, dy, sum, gainSum, biasSum }, { eps }) {
    const { rows, cols } = rowsAndCols(x)
    const [dx, dgain, dbias] = [startOf(sum, x), startOf(gainSum, gain), startOf(biasSum, gain)]
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
        dx.data[r * cols + c]! += scale * (given[c]! - level - normed[c]! * along)
        dgain.data[c]! += dy.data[r * cols + c]! * normed[c]!
        dbias.data[c]! += dy.data[r * cols + c]!
      }
    }
    return { dx, dgain, dbias }
  },
  lower({ x, gain, dy, sum, gainSum = null, biasSum = null }, { dx, dgain, dbias }, { eps }, to) {
    const { dims, perVector } = vectorsOf({ x, dy }, to)
    const perRow = { mean: perVector('mean'), scale: perVector('scale') }
    const strides = { sumRow: sum ? to.stride(sum) : 0, dxRow: to.stride(dx) }
    to.call(layerNormGradient, { ...dims, ...strides, eps, x, gain, dy, sum: sum ?? null, ...perRow, dx })
    to.call(layerNormGainGradient, { ...dims, x, dy, ...perRow, gainSum, biasSum, dgain, dbias })
  },
  tolerance: { relative: 16 },
  samples: (lanes) => normGradientSamples(lanes, ['sum', 'gainSum', 'biasSum']),
  refusals: [
    {
      inputs: { x: denseRow(['tokens', 8]), gain: denseRow([9]), dy: denseRow(['tokens', 8]) },
      attributes: { eps: 1e-5 },
      says: 'gain is [9]; accepted: [8]',
    },
  ],
})
