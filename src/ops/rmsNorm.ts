import { defineOp } from '../ir/op.ts'
import { rowsAndCols, tensor } from '../ir/tensor.ts'
import { rmsNormForward } from '../kernels/norm/norm.kernel.ts'
import { rmsNormBackward } from './rmsNormBackward.ts'
import { axis, denseRow, lastAxis } from './shapes.ts'

/** y = x · gain / √(mean(x²) + eps), over the last axis (Zhang & Sennrich 2019). */
export const rmsNorm = defineOp({
  name: 'rmsNorm',
  inputs: { x: ['f32'], gain: ['f32'] },
  outputs: ['y'],
  infer({ x, gain }, { eps }: { eps: number }, refuse) {
    if (x.shape.length < 2 || x.shape.length > 3) refuse(`x needs two or three axes, not ${x.shape.length}`)
    if (gain.shape.length !== 1 || gain.shape[0] !== lastAxis(x)) {
      refuse(`gain is [${gain.shape}]; accepted: [${lastAxis(x)}], the last axis of x`)
    }
    if (!(eps >= 0)) refuse(`eps is ${eps}; accepted: a number of at least 0`)
    return { y: x }
  },
  reference({ x, gain }, { eps }) {
    const { rows, cols } = rowsAndCols(x)
    const y = tensor(x.shape)
    for (let r = 0; r < rows; r++) {
      let squares = 0
      for (let c = 0; c < cols; c++) squares += x.data[r * cols + c]! ** 2
      const scale = 1 / Math.sqrt(squares / cols + eps)
      for (let c = 0; c < cols; c++) y.data[r * cols + c] = x.data[r * cols + c]! * scale * gain.data[c]!
    }
    return { y }
  },
  vjp({ x, gain }, _outputs, { y: dy }, attributes, g) {
    const { dx, dgain } = g.apply(rmsNormBackward, 'x', { x, gain, dy }, attributes)
    return { x: dx, gain: dgain }
  },
  lower({ x, gain }, { y }, { eps }, to) {
    const groups = x.type.shape.length === 3 ? axis(x.type, 1) : 1
    const strides = { xRow: to.stride(x), yRow: to.stride(y) }
    to.call(rmsNormForward, { rows: x.type.shape[0]!, groups, cols: lastAxis(x.type), ...strides, eps, x, gain, y })
  },
  tolerance: { relative: 8 },
  samples: (lanes) =>
    [1, lanes - 1, lanes, 2 * lanes + 1, 4099].flatMap((cols) =>
      [
        [3, cols],
        [2, 3, cols],
      ].map((shape) => ({
        inputs: { x: { dtype: 'f32' as const, shape }, gain: { dtype: 'f32' as const, shape: [cols] } },
        attributes: { eps: 1e-5 },
      })),
    ),
  refusals: [
    { inputs: { x: denseRow(['tokens', 8]), gain: denseRow([9]) }, attributes: { eps: 1e-5 }, says: 'gain is [9]' },
    { inputs: { x: denseRow(['tokens', 8]), gain: denseRow([8]) }, attributes: { eps: -1 }, says: 'eps is -1' },
  ],
})
