import { defineOp } from '../ir/op.ts'
import { tensor } from '../ir/tensor.ts'
import { sliceHeadsForward } from '../kernels/rows/rows.kernel.ts'
import { axis, denseRow } from './shapes.ts'
import { sliceBackward } from './sliceBackward.ts'

/** y = x[:, :, from .. from + cols]: a part of every head of x [tokens, heads, width]. */
export const sliceHeads = defineOp({
  name: 'sliceHeads',
  inputs: { x: ['f32'] },
  outputs: ['y'],
  infer({ x }, { from, cols }: { from: number; cols: number }, refuse) {
    if (x.shape.length !== 3) refuse(`x needs three axes, not ${x.shape.length}`)
    if (!Number.isInteger(from) || !Number.isInteger(cols) || from < 0 || cols < 1 || from + cols > axis(x, 2))
      refuse(`columns ${from} .. ${from + cols} are outside heads of ${axis(x, 2)} columns`)
    return { y: { dtype: x.dtype, shape: [x.shape[0]!, x.shape[1]!, cols] } }
  },
  reference({ x }, { from, cols }) {
    const [tokens = 0, heads = 0, width = 0] = x.shape
    const y = tensor([tokens, heads, cols])
    for (let at = 0; at < tokens * heads; at++)
      y.data.set(x.data.subarray(at * width + from, at * width + from + cols), at * cols)
    return { y }
  },
  vjp({ x }, _outputs, { y: dy }, { from }, g) {
    return { x: g.apply(sliceBackward, 'x', { dy }, { from, width: axis(x.type, 2) }) }
  },
  lower({ x }, { y }, { from, cols }, to) {
    const dims = { rows: x.type.shape[0]!, heads: axis(x.type, 1), width: cols, wide: axis(x.type, 2) }
    to.call(sliceHeadsForward, { ...dims, xRow: to.stride(x), yRow: to.stride(y), from, x, y })
  },
  tolerance: { relative: 0 },
  samples: () => [{ inputs: { x: { dtype: 'f32', shape: [3, 2, 12] } }, attributes: { from: 4, cols: 5 } }],
  refusals: [
    { inputs: { x: denseRow(['tokens', 8]) }, attributes: { from: 0, cols: 4 }, says: 'three axes, not 2' },
    {
      inputs: { x: denseRow(['tokens', 2, 8]) },
      attributes: { from: 4, cols: 5 },
      says: 'columns 4 .. 9 are outside heads of 8 columns',
    },
  ],
})
