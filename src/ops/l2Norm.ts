import type { NoAttributes } from '../ir/graph.ts'
import { defineOp } from '../ir/op.ts'
import { rowsAndCols, tensor } from '../ir/tensor.ts'
import { l2NormForward } from '../kernels/norm/norm.kernel.ts'
import { denseRow, lastAxis } from './shapes.ts'

/** The shortest length that a row is divided by. */
const shortest = 1e-12

/** y = x / max(‖x‖₂, 1e-12), over the last axis: rows of unit length, and zeros where x is zero. */
export const l2Norm = defineOp({
  name: 'l2Norm',
  inputs: { x: ['f32'] },
  outputs: ['y'],
  infer({ x }, _attributes: NoAttributes, refuse) {
    if (x.shape.length !== 2) refuse(`x needs two axes, not ${x.shape.length}`)
    return { y: x }
  },
  reference({ x }) {
    const { rows, cols } = rowsAndCols(x)
    const y = tensor(x.shape)
    for (let r = 0; r < rows; r++) {
      const row = x.data.subarray(r * cols, (r + 1) * cols)
      const length = Math.max(shortest, Math.sqrt(row.reduce((sum, value) => sum + value * value, 0)))
      y.data.set(
        row.map((value) => value / length),
        r * cols,
      )
    }
    return { y }
  },
  lower({ x }, { y }, _attributes, to) {
    const strides = { xRow: to.stride(x), yRow: to.stride(y) }
    to.call(l2NormForward, { rows: x.type.shape[0]!, cols: lastAxis(x.type), ...strides, x, y })
  },
  tolerance: { relative: 8 },
  samples: (lanes) =>
    [1, lanes - 1, 2 * lanes + 1, 4099].map((cols) => ({
      inputs: { x: { dtype: 'f32', shape: [3, cols] } },
      attributes: {},
    })),
  refusals: [{ inputs: { x: denseRow(['tokens', 2, 4]) }, attributes: {}, says: 'two axes' }],
})
