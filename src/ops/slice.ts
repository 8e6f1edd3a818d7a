import { defineOp } from '../ir/op.ts'
import { rowsAndCols, tensor } from '../ir/tensor.ts'
import { denseRow, lastAxis } from './shapes.ts'
import { sliceBackward } from './sliceBackward.ts'

/** y = x[:, from .. from + cols]: a part of a merged product. */
export const slice = defineOp({
  name: 'slice',
  inputs: { x: ['f32'] },
  outputs: ['y'],
  infer({ x }, { from, cols }: { from: number; cols: number }, refuse) {
    if (x.shape.length !== 2) refuse(`x needs two axes, not ${x.shape.length}`)
    if (!Number.isInteger(from) || !Number.isInteger(cols) || from < 0 || cols < 1 || from + cols > lastAxis(x)) {
      refuse(`columns ${from} .. ${from + cols} are outside the ${lastAxis(x)} columns of x`)
    }
    return { y: { dtype: x.dtype, shape: [x.shape[0]!, cols] } }
  },
  reference({ x }, { from, cols }) {
    const { rows, cols: all } = rowsAndCols(x)
    const y = tensor([rows, cols])
    for (let r = 0; r < rows; r++) y.data.set(x.data.subarray(r * all + from, r * all + from + cols), r * cols)
    return { y }
  },
  vjp({ x }, _outputs, { y: dy }, { from }, g) {
    return { x: g.apply(sliceBackward, 'x', { dy }, { from, width: lastAxis(x.type) }) }
  },
  lower({ x }, { y }, { from }, to) {
    to.view(y, x, from)
  },
  tolerance: { relative: 0 },
  samples: () => [{ inputs: { x: { dtype: 'f32', shape: [3, 12] } }, attributes: { from: 4, cols: 5 } }],
  refusals: [
    { inputs: { x: denseRow(['tokens', 8]) }, attributes: { from: 0.5, cols: 5 }, says: 'outside the 8 columns' },
    { inputs: { x: denseRow(['tokens', 8]) }, attributes: { from: 4, cols: 5 }, says: 'outside the 8 columns' },
  ],
})
