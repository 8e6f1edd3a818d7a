import type { NoAttributes } from '../ir/graph.ts'
import { defineOp } from '../ir/op.ts'
import { tensor } from '../ir/tensor.ts'
import { refuseLowering } from './missingKernel.ts'
import { denseRow, lastAxis } from './shapes.ts'

/** dx[r] = Σ dy[i] over the rows i with index[i] = r, in their order. Of x only the shape is read. */
export const takeRowsBackward = defineOp({
  name: 'takeRowsBackward',
  inputs: { x: ['f32'], index: ['i32'], dy: ['f32'] },
  outputs: ['dx'],
  infer({ x, index, dy }, _attributes: NoAttributes, refuse) {
    if (x.shape.length !== 2 || index.shape.length !== 1) refuse('x needs two axes and index one')
    const accepted = [index.shape[0], lastAxis(x)].join()
    if (dy.shape.join() !== accepted) refuse(`dy is [${dy.shape}]; accepted: [${accepted}]`)
    return { dx: x }
  },
  reference({ x, index, dy }) {
    const cols = x.shape[1] ?? 0
    const dx = tensor(x.shape)
    index.data.forEach((row, i) => {
      for (let c = 0; c < cols; c++) dx.data[row * cols + c]! += dy.data[i * cols + c]!
    })
    return { dx }
  },
  lower({ dy }) {
    refuseLowering(dy, 'the gradient of takeRows')
  },
  tolerance: { relative: 4 },
  samples: (lanes) =>
    [1, lanes + 1].map((cols) => ({
      inputs: {
        x: { dtype: 'f32', shape: [4, cols] },
        index: { dtype: 'i32', shape: [3], values: { below: 4 } },
        dy: { dtype: 'f32', shape: [3, cols] },
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
