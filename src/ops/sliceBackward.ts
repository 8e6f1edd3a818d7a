import { defineOp } from '../ir/op.ts'
import { rowsAndCols, tensor } from '../ir/tensor.ts'
import { sliceHeadsGradient } from '../kernels/rows/rows.kernel.ts'
import { denseRow, lastAxis, widthFrom } from './shapes.ts'

/**
 * dx [.., width] = sum, with dy [.., cols] added to the columns from .. from + cols; without sum 0 in the others: the gradient
 * of slice and sliceHeads.
 */
export const sliceBackward = defineOp({
  name: 'sliceBackward',
  inputs: { dy: ['f32'], sum: ['f32'] },
  optional: ['sum'],
  outputs: ['dx'],
  sums: { dx: 'sum' },
  infer({ dy, sum }, { from, width }: { from: number; width: number }, refuse) {
    if (dy.shape.length < 2) refuse('dy needs two axes or more')
    const end = from + lastAxis(dy)
    if (!Number.isInteger(from) || !Number.isInteger(width) || from < 0 || end > width)
      refuse(`columns ${from} .. ${end} are outside the ${width} columns of dx`)
    const shape = [...dy.shape.slice(0, -1), width]
    if (sum && sum.shape.join() !== shape.join()) refuse(`sum is [${sum.shape}]; accepted: [${shape}]`)
    return { dx: { dtype: 'f32', shape } }
  },
  reference({ dy, sum }, { from, width }) {
    const { rows, cols } = rowsAndCols(dy)
    const dx = tensor([...dy.shape.slice(0, -1), width], sum?.data)
    for (let r = 0; r < rows; r++)
      for (let c = 0; c < cols; c++) dx.data[r * width + from + c]! += dy.data[r * cols + c]!
    return { dx }
  },
  lower({ dy, sum }, { dx }, { from, width: wide }, to) {
    const width = lastAxis(dy.type)
    const dims = { rows: dy.type.shape[0]!, heads: widthFrom(dy.type, 1) / width, width, wide }
    const strides = { dyRow: to.stride(dy), sumRow: sum ? to.stride(sum) : 0, dxRow: to.stride(dx) }
    to.call(sliceHeadsGradient, { ...dims, ...strides, from, dy, sum: sum ?? null, dx })
  },
  tolerance: { relative: 0.5 },
  samples: () =>
    [
      [3, 5],
      [3, 2, 5],
    ].flatMap((shape) =>
      [{}, { sum: { dtype: 'f32' as const, shape: [...shape.slice(0, -1), 12] } }].map((sum) => ({
        inputs: { dy: { dtype: 'f32' as const, shape }, ...sum },
        attributes: { from: 4, width: 12 },
      })),
    ),
  refusals: [
    {
      inputs: { dy: denseRow(['tokens', 5]) },
      attributes: { from: 4, width: 8 },
      says: 'columns 4 .. 9 are outside the 8 columns of dx',
    },
    {
      inputs: { dy: denseRow(['tokens', 5]), sum: denseRow(['tokens', 5]) },
      attributes: { from: 3, width: 8 },
      says: 'sum is [tokens,5]; accepted: [tokens,8]',
    },
  ],
})
