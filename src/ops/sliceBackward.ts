import { defineOp } from '../ir/op.ts'
import { rowsAndCols, tensor } from '../ir/tensor.ts'
import { refuseLowering } from './missingKernel.ts'
import { denseRow, lastAxis } from './shapes.ts'

/** dx[.., from .. from + cols] = dy [.., cols], and 0 in the other columns of `width`: the gradient of slice and sliceHeads. */
export const sliceBackward = defineOp({
  name: 'sliceBackward',
  inputs: { dy: ['f32'] },
  outputs: ['dx'],
  infer({ dy }, { from, width }: { from: number; width: number }, refuse) {
    if (dy.shape.length < 2) refuse('dy needs two axes or more')
    const end = from + lastAxis(dy)
    if (!Number.isInteger(from) || !Number.isInteger(width) || from < 0 || end > width)
      refuse(`columns ${from} .. ${end} are outside the ${width} columns of dx`)
    return { dx: { dtype: 'f32', shape: [...dy.shape.slice(0, -1), width] } }
  },
  reference({ dy }, { from, width }) {
    const { rows, cols } = rowsAndCols(dy)
    const dx = tensor([...dy.shape.slice(0, -1), width])
    for (let r = 0; r < rows; r++) dx.data.set(dy.data.subarray(r * cols, (r + 1) * cols), r * width + from)
    return { dx }
  },
  lower({ dy }) {
    refuseLowering(dy, 'the gradient of slice')
  },
  tolerance: { relative: 0 },
  samples: () =>
    [
      [3, 5],
      [3, 2, 5],
    ].map((shape) => ({ inputs: { dy: { dtype: 'f32' as const, shape } }, attributes: { from: 4, width: 12 } })),
  refusals: [
    {
      inputs: { dy: denseRow(['tokens', 5]) },
      attributes: { from: 4, width: 8 },
      says: 'columns 4 .. 9 are outside the 8 columns of dx',
    },
  ],
})
