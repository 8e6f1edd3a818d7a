import type { NoAttributes } from '../ir/graph.ts'
import { defineOp } from '../ir/op.ts'
import { tensor } from '../ir/tensor.ts'
import { rootOfSumForward } from '../kernels/gradient/gradient.kernel.ts'
import { axis, denseRow } from './shapes.ts'

/** norm [1, 1] = sqrt(Σ squares): the norm of all gradients as one vector. Not a number where any of theirs is not. */
export const gradientNorm = defineOp({
  name: 'gradientNorm',
  inputs: { squares: ['f32'] },
  outputs: ['norm'],
  infer({ squares }, _attributes: NoAttributes, refuse) {
    if (squares.shape.length !== 2) refuse(`squares needs two axes, not ${squares.shape.length}`)
    return { norm: { dtype: 'f32', shape: [1, 1] } }
  },
  reference({ squares }) {
    return { norm: tensor([1, 1], [Math.sqrt(squares.data.reduce((sum, value) => sum + value, 0))]) }
  },
  lower({ squares }, { norm }, _attributes, to) {
    to.call(rootOfSumForward, { rows: squares.type.shape[0]!, chunks: axis(squares.type, 1), sums: squares, norm })
  },
  tolerance: { relative: 1 },
  samples: () =>
    [1, 3].map((rows) => ({
      inputs: {
        squares: { dtype: 'f32', shape: [rows, 64], values: Array.from({ length: rows * 64 }, (_, i) => (i % 7) - 1) },
      },
      attributes: {},
    })),
  refusals: [{ inputs: { squares: denseRow([64]) }, attributes: {}, says: 'squares needs two axes' }],
})
