import type { NoAttributes } from '../ir/graph.ts'
import { defineOp } from '../ir/op.ts'
import { rowsAndCols, tensor } from '../ir/tensor.ts'
import { sumRowsForward } from '../kernels/sums/sums.kernel.ts'
import { denseRow, lastAxis, widthFrom } from './shapes.ts'

/** y[c] = sum[c] + Σ x[.., c] over all axes but the last; without sum from 0: the gradient of a vector added to every row. */
export const sumRows = defineOp({
  name: 'sumRows',
  inputs: { x: ['f32'], sum: ['f32'] },
  optional: ['sum'],
  outputs: ['y'],
  sums: { y: 'sum' },
  infer({ x, sum }, _attributes: NoAttributes, refuse) {
    if (x.shape.length < 2) refuse('x needs two axes or more')
    if (sum && sum.shape.join() !== String(lastAxis(x))) refuse(`sum is [${sum.shape}]; accepted: [${lastAxis(x)}]`)
    return { y: { dtype: 'f32', shape: [lastAxis(x)] } }
  },
  reference({ x, sum }) {
    const { cols } = rowsAndCols(x)
    const y = tensor([cols], sum?.data)
    x.data.forEach((value, i) => {
      y.data[i % cols]! += value
    })
    return { y }
  },
  lower({ x, sum = null }, { y }, _attributes, to) {
    const cols = lastAxis(x.type)
    const dims = { rows: x.type.shape[0]!, groups: widthFrom(x.type, 1) / cols, cols, xRow: to.stride(x) }
    to.call(sumRowsForward, { ...dims, x, sum, y })
  },
  tolerance: { relative: 8 },
  samples: (lanes) =>
    [1, lanes - 1, 2 * lanes + 1].flatMap((cols) =>
      [
        [5, cols],
        [2, 3, cols],
      ].map((shape, i) => ({
        inputs: {
          x: { dtype: 'f32' as const, shape },
          ...(i === 0 ? {} : { sum: { dtype: 'f32' as const, shape: [cols] } }),
        },
        attributes: {},
      })),
    ),
  refusals: [
    { inputs: { x: denseRow([3]) }, attributes: {}, says: 'two axes' },
    {
      inputs: { x: denseRow(['tokens', 3]), sum: denseRow([4]) },
      attributes: {},
      says: 'sum is [4]; accepted: [3]',
    },
  ],
})
