import { defineOp } from '../ir/op.ts'
import { rowsAndCols, tensor } from '../ir/tensor.ts'
import { layerNormForward } from '../kernels/norm/norm.kernel.ts'
import { layerNormBackward } from './layerNormBackward.ts'
import { axis, denseRow, lastAxis } from './shapes.ts'

/** y = (x - mean(x)) · gain / √(variance(x) + eps) + bias, over the last axis (Ba, Kiros & Hinton 2016). */
export const layerNorm = defineOp({
  name: 'layerNorm',
  inputs: { x: ['f32'], gain: ['f32'], bias: ['f32'] },
  optional: ['bias'],
  outputs: ['y'],
  infer({ x, gain, bias }, { eps }: { eps: number }, refuse) {
    if (x.shape.length < 2 || x.shape.length > 3) refuse(`x needs two or three axes, not ${x.shape.length}`)
    for (const [slot, type] of [['gain', gain] as const, ['bias', bias] as const]) {
      if (type && (type.shape.length !== 1 || type.shape[0] !== lastAxis(x)))
        refuse(`${slot} is [${type.shape}]; accepted: [${lastAxis(x)}], the last axis of x`)
    }
    if (!(eps >= 0)) refuse(`eps is ${eps}; accepted: a number of at least 0`)
    return { y: x }
  },
  reference({ x, gain, bias }, { eps }) {
    const { rows, cols } = rowsAndCols(x)
    const y = tensor(x.shape)
    for (let r = 0; r < rows; r++) {
      const row = x.data.subarray(r * cols, (r + 1) * cols)
      const mean = row.reduce((sum, value) => sum + value, 0) / cols
      const variance = row.reduce((sum, value) => sum + (value - mean) ** 2, 0) / cols
      const scale = 1 / Math.sqrt(variance + eps)
      row.forEach((value, c) => {
        y.data[r * cols + c] = (value - mean) * scale * gain.data[c]! + (bias ? bias.data[c]! : 0)
      })
    }
    return { y }
  },
  vjp({ x, gain, bias }, _outputs, { y: dy }, attributes, g) {
    const { dx, dgain, dbias } = g.apply(layerNormBackward, 'x', { x, gain, dy }, attributes)
    return { x: dx, gain: dgain, ...(bias ? { bias: dbias } : {}) }
  },
  lower({ x, gain, bias = null }, { y }, { eps }, to) {
    const groups = x.type.shape.length === 3 ? axis(x.type, 1) : 1
    const strides = { xRow: to.stride(x), yRow: to.stride(y) }
    const dims = { rows: x.type.shape[0]!, groups, cols: lastAxis(x.type), ...strides }
    to.call(layerNormForward, { ...dims, eps, x, gain, bias, y })
  },
  tolerance: { relative: 8 },
  samples: (lanes) =>
    // A row of one number is its own mean; what is left of it is a rounding.
    [2, lanes - 1, lanes, 2 * lanes + 1, 4099].flatMap((cols) =>
      [
        [3, cols],
        [2, 3, cols],
      ].map((shape, i) => {
        const row = { dtype: 'f32' as const, shape: [cols] }
        const x = { dtype: 'f32' as const, shape }
        return { inputs: { x, gain: row, ...(i === 0 ? { bias: row } : {}) }, attributes: { eps: 1e-5 } }
      }),
    ),
  refusals: [
    { inputs: { x: denseRow(['tokens', 8]), gain: denseRow([9]) }, attributes: { eps: 1e-5 }, says: 'gain is [9]' },
    {
      inputs: { x: denseRow(['tokens', 8]), gain: denseRow([8]), bias: denseRow([8, 1]) },
      attributes: { eps: 1e-5 },
      says: 'bias is [8,1]',
    },
    { inputs: { x: denseRow(['tokens', 8]), gain: denseRow([8]) }, attributes: { eps: -1 }, says: 'eps is -1' },
  ],
})
