import type { NoAttributes } from '../ir/graph.ts'
import { defineOp } from '../ir/op.ts'
import { tensor } from '../ir/tensor.ts'
import { rootOfSumForward, squareChunks } from '../kernels/gradient/gradient.kernel.ts'
import { axis, denseRow, widthFrom } from './shapes.ts'

/** norm [1, 1] = sqrt(Σ squares), the norm of all gradients as one vector, of the total of their squares. */
export const gradientNorm = defineOp({
  name: 'gradientNorm',
  inputs: { squares: ['f32'] },
  outputs: ['norm'],
  infer({ squares }, _attributes: NoAttributes, refuse) {
    if (squares.shape.length !== 2 || axis(squares, 1) !== squareChunks)
      refuse(`squares is [${squares.shape}]; accepted: [1,${squareChunks}]`)
    return { norm: { dtype: 'f32', shape: [1, 1] } }
  },
  reference({ squares }) {
    return { norm: tensor([1, 1], [Math.sqrt(squares.data.reduce((sum, value) => sum + value, 0))]) }
  },
  lower({ squares }, { norm }, _attributes, to) {
    to.call(rootOfSumForward, { chunks: widthFrom(squares.type, 0), sums: squares, norm })
  },
  tolerance: { relative: 1 },
  samples: () =>
    [1, 7].map((period) => ({
      inputs: {
        squares: { dtype: 'f32', shape: [1, 64], values: Array.from({ length: 64 }, (_, i) => (i % period) - 1) },
      },
      attributes: {},
    })),
  refusals: [{ inputs: { squares: denseRow([64]) }, attributes: {}, says: 'squares is [64]; accepted: [1,64]' }],
})
