import { defineOp } from '../ir/op.ts'
import { rowsAndCols, tensor } from '../ir/tensor.ts'
import { l2NormForward } from '../kernels/norm/norm.kernel.ts'
import { l2NormBackward } from './l2NormBackward.ts'
import { axis, denseRow, lastAxis } from './shapes.ts'

/** y = x / √(Σx² + eps), over the last axis: rows of length 1. */
export const l2Norm = defineOp({
  name: 'l2Norm',
  inputs: { x: ['f32'] },
  outputs: ['y'],
  infer({ x }, { eps }: { eps: number }, refuse) {
    if (x.shape.length < 2 || x.shape.length > 3) refuse(`x needs two or three axes, not ${x.shape.length}`)
    if (!(eps >= 0)) refuse(`eps is ${eps}; accepted: a number of at least 0`)
    return { y: x }
  },
  reference({ x }, { eps }) {
    const { rows, cols } = rowsAndCols(x)
    const y = tensor(x.shape)
    for (let r = 0; r < rows; r++) {
      let squares = 0
      for (let c = 0; c < cols; c++) squares += x.data[r * cols + c]! ** 2
      for (let c = 0; c < cols; c++) y.data[r * cols + c] = x.data[r * cols + c]! / Math.sqrt(squares + eps)
    }
    return { y }
  },
  vjp({ x }, _outputs, { y: dy }, attributes, g) {
    return { x: g.apply(l2NormBackward, 'x', { x, dy }, attributes) }
  },
  lower({ x }, { y }, { eps }, to) {
    const groups = x.type.shape.length === 3 ? axis(x.type, 1) : 1
    const strides = { xRow: to.stride(x), yRow: to.stride(y) }
    to.call(l2NormForward, { rows: x.type.shape[0]!, groups, cols: lastAxis(x.type), ...strides, eps, x, y })
  },
  tolerance: { relative: 8 },
  samples: (lanes) =>
    [1, lanes - 1, 2 * lanes + 1].flatMap((cols) =>
      [
        [3, cols],
        [2, 3, cols],
      ].map((shape) => ({ inputs: { x: { dtype: 'f32' as const, shape } }, attributes: { eps: 1e-6 } })),
    ),
  refusals: [
    { inputs: { x: denseRow(['tokens', 2, 2, 8]) }, attributes: { eps: 1e-6 }, says: 'two or three axes, not 4' },
    { inputs: { x: denseRow(['tokens', 8]) }, attributes: { eps: -1 }, says: 'eps is -1' },
  ],
})
