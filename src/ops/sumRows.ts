import type { NoAttributes } from '../ir/graph.ts'
import { defineOp } from '../ir/op.ts'
import { rowsAndCols, tensor } from '../ir/tensor.ts'
import { refuseLowering } from './missingKernel.ts'
import { denseRow, lastAxis } from './shapes.ts'

/** y[c] = Σ x[.., c] over all axes but the last: the gradient of a vector that was added to every row. */
export const sumRows = defineOp({
  name: 'sumRows',
  inputs: { x: ['f32'] },
  outputs: ['y'],
  infer({ x }, _attributes: NoAttributes, refuse) {
    if (x.shape.length < 2) refuse('x needs two axes or more')
    return { y: { dtype: 'f32', shape: [lastAxis(x)] } }
  },
  reference({ x }) {
    const { cols } = rowsAndCols(x)
    const y = tensor([cols])
    x.data.forEach((value, i) => {
      y.data[i % cols]! += value
    })
    return { y }
  },
  lower({ x }) {
    refuseLowering(x, 'a sum over rows')
  },
  tolerance: { relative: 8 },
  samples: (lanes) =>
    [1, lanes - 1, 2 * lanes + 1].flatMap((cols) =>
      [
        [5, cols],
        [2, 3, cols],
      ].map((shape) => ({ inputs: { x: { dtype: 'f32' as const, shape } }, attributes: {} })),
    ),
  refusals: [{ inputs: { x: denseRow([3]) }, attributes: {}, says: 'two axes' }],
})
