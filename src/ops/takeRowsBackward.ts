import type { NoAttributes } from '../ir/graph.ts'
import { defineOp } from '../ir/op.ts'
import { tensor } from '../ir/tensor.ts'
import { takeRowsGradient } from '../kernels/sums/sums.kernel.ts'
import { denseRow, lastAxis } from './shapes.ts'

/** dx[r] = Σ dy[i] over the rows i with index[i] = r, in their order. Of x only the shape is read. */
export const takeRowsBackward = defineOp({
  name: 'takeRowsBackward',
  inputs: { x: ['f32'], index: ['i32'], dy: ['f32'], sum: ['f32'] },
  optional: ['sum'],
  outputs: ['dx'],
  sums: { dx: 'sum' },
  infer({ x, index, dy, sum }, _attributes: NoAttributes, refuse) {
    if (x.shape.length !== 2 || index.shape.length !== 1) refuse('x needs two axes and index one')
    const accepted = [index.shape[0], lastAxis(x)].join()
    if (dy.shape.join() !== accepted) refuse(`dy is [${dy.shape}]; accepted: [${accepted}]`)
    if (sum && sum.shape.join() !== x.shape.join()) refuse(`sum is [${sum.shape}]; accepted: [${x.shape}]`)
    return { dx: x }
  },
  reference({ x, index, dy, sum }) {
    const cols = x.shape[1] ?? 0
    const dx = tensor(x.shape, sum?.data)
    index.data.forEach((row, i) => {
      for (let c = 0; c < cols; c++) dx.data[row * cols + c]! += dy.data[i * cols + c]!
    })
    return { dx }
  },
  lower({ x, index, dy, sum = null }, { dx }, _attributes, to) {
    const dims = { rows: x.type.shape[0]!, outputs: index.type.shape[0]!, cols: lastAxis(x.type) }
    to.call(takeRowsGradient, { ...dims, dyRow: to.stride(dy), without: -1, dy, index, sum, dx })
  },
  tolerance: { relative: 4 },
  samples: (lanes) =>
    [1, lanes + 1].map((cols) => ({
      inputs: {
        x: { dtype: 'f32', shape: [4, cols] },
        index: { dtype: 'i32', shape: [3], values: { below: 4 } },
        dy: { dtype: 'f32', shape: [3, cols] },
        ...(cols === 1 ? {} : { sum: { dtype: 'f32', shape: [4, cols] } }),
      },
      attributes: {},
    })),
  refusals: [
    {
      inputs: {
        x: denseRow(['tokens', 4]),
        index: { dtype: 'i32', shape: ['outputs'] },
        dy: denseRow(['tokens', 4]),
      },
      attributes: {},
      says: 'dy is [tokens,4]; accepted: [outputs,4]',
    },
  ],
})
