import type { NoAttributes } from '../ir/graph.ts'
import { defineOp } from '../ir/op.ts'
import { rowsAndCols, tensor } from '../ir/tensor.ts'
import { softmaxForward } from '../kernels/softmax/softmax.kernel.ts'
import { denseRow, lastAxis } from './shapes.ts'
import { softmaxBackward } from './softmaxBackward.ts'

/** y = exp(x − max) / Σ exp(x − max), over the last axis. */
export const softmax = defineOp({
  name: 'softmax',
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
      const largest = row.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY)
      const total = row.reduce((sum, value) => sum + Math.exp(value - largest), 0)
      row.forEach((value, c) => {
        y.data[r * cols + c] = Math.exp(value - largest) / total
      })
    }
    return { y }
  },
  vjp(_inputs, { y }, { y: dy }, attributes, g) {
    return { x: g.apply(softmaxBackward, 'x', { y, dy }, attributes) }
  },
  lower({ x }, { y }, _attributes, to) {
    const dims = { rows: x.type.shape[0]!, cols: lastAxis(x.type), xRow: to.stride(x), yRow: to.stride(y) }
    to.call(softmaxForward, { ...dims, x, y })
  },
  tolerance: { relative: 5 },
  samples: (lanes) =>
    [1, lanes - 1, 2 * lanes + 1, 4099].map((cols) => ({
      inputs: { x: { dtype: 'f32', shape: [3, cols] } },
      attributes: {},
    })),
  refusals: [{ inputs: { x: denseRow([3]) }, attributes: {}, says: 'two axes' }],
})
