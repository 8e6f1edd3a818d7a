import { defineOp } from '../ir/op.ts'
import { rowsAndCols, tensor } from '../ir/tensor.ts'
import { meanRowsForward } from '../kernels/rows/rows.kernel.ts'
import { type PoolKind, poolRowsBackward } from './poolRowsBackward.ts'
import { denseRow, lastAxis } from './shapes.ts'

/** y[0] = one row for all rows of x. */
export const poolRows = defineOp({
  name: 'poolRows',
  inputs: { x: ['f32'] },
  outputs: ['y'],
  infer({ x }, { kind }: { kind: PoolKind }, refuse) {
    if (x.shape.length !== 2) refuse(`x needs two axes, not ${x.shape.length}`)
    if (kind !== 'mean' && kind !== 'first') refuse(`kind is '${kind}'; accepted: mean, first`)
    return { y: { dtype: 'f32', shape: [1, lastAxis(x)] } }
  },
  reference({ x }, { kind }) {
    const { rows, cols } = rowsAndCols(x)
    const y = tensor([1, cols])
    const taken = kind === 'mean' ? rows : 1
    for (let r = 0; r < taken; r++) for (let c = 0; c < cols; c++) y.data[c]! += x.data[r * cols + c]! / taken
    return { y }
  },
  vjp({ x }, _outputs, { y: dy }, attributes, g) {
    return { x: g.apply(poolRowsBackward, 'x', { x, dy }, attributes) }
  },
  lower({ x }, { y }, { kind }, to) {
    if (kind === 'first') to.view(y, x)
    else to.call(meanRowsForward, { rows: x.type.shape[0]!, cols: lastAxis(x.type), xRow: to.stride(x), x, y })
  },
  tolerance: { relative: 4 },
  samples: (lanes) =>
    (['mean', 'first'] as const).flatMap((kind) =>
      [1, lanes - 1, 2 * lanes + 1].map((cols) => ({
        inputs: { x: { dtype: 'f32', shape: [5, cols] } } as const,
        attributes: { kind },
      })),
    ),
  refusals: [
    { inputs: { x: denseRow(['tokens', 2, 4]) }, attributes: { kind: 'mean' }, says: 'two axes' },
    { inputs: { x: denseRow(['tokens', 4]) }, attributes: { kind: 'last' as 'first' }, says: "kind is 'last'" },
  ],
})
