import { defineOp } from '../ir/op.ts'
import { rowsAndCols, tensor } from '../ir/tensor.ts'
import { meanRowsGradient } from '../kernels/rows/rows.kernel.ts'
import { denseRow, lastAxis } from './shapes.ts'

/** `mean`: of all rows. `first`: the first row, where BERT has its [CLS]. */
export type PoolKind = 'mean' | 'first'

/** The gradient of poolRows: dy [1, cols] over the rows that were taken, in equal shares; 0 in the others. Of x only the shape is read. */
export const poolRowsBackward = defineOp({
  name: 'poolRowsBackward',
  inputs: { x: ['f32'], dy: ['f32'] },
  outputs: ['dx'],
  infer({ x, dy }, _attributes: { kind: PoolKind }, refuse) {
    if (x.shape.length !== 2) refuse(`x needs two axes, not ${x.shape.length}`)
    if (dy.shape.join() !== `1,${lastAxis(x)}`) refuse(`dy is [${dy.shape}]; accepted: [1,${lastAxis(x)}]`)
    return { dx: x }
  },
  reference({ x, dy }, { kind }) {
    const { rows, cols } = rowsAndCols(x)
    const dx = tensor(x.shape)
    const taken = kind === 'mean' ? rows : 1
    for (let i = 0; i < taken * cols; i++) dx.data[i] = dy.data[i % cols]! / taken
    return { dx }
  },
  lower({ x, dy }, { dx }, { kind }, to) {
    const rows = x.type.shape[0]!
    to.call(meanRowsGradient, { rows, taken: kind === 'mean' ? rows : 1, cols: lastAxis(x.type), dy, dx })
  },
  tolerance: { relative: 1 },
  samples: (lanes) =>
    (['mean', 'first'] as const).flatMap((kind) =>
      [1, lanes - 1, 2 * lanes + 1].map((cols) => ({
        inputs: {
          x: { dtype: 'f32', shape: [5, cols] } as const,
          dy: { dtype: 'f32', shape: [1, cols] } as const,
        },
        attributes: { kind },
      })),
    ),
  refusals: [
    { inputs: { x: denseRow([5]), dy: denseRow([1, 5]) }, attributes: { kind: 'mean' }, says: 'two axes' },
    {
      inputs: { x: denseRow(['tokens', 4]), dy: denseRow(['tokens', 4]) },
      attributes: { kind: 'mean' },
      says: 'dy is [tokens,4]; accepted: [1,4]',
    },
  ],
})
