import type { NoAttributes } from '../ir/graph.ts'
import { defineOp } from '../ir/op.ts'
import { mapTensor } from '../ir/tensor.ts'
import { sigmoidForward } from '../kernels/pointwise/pointwise.kernel.ts'
import { denseRow, widthFrom } from './shapes.ts'
import { sigmoidBackward } from './sigmoidBackward.ts'

/** y = 1 / (1 + e^-x) */
export const sigmoid = defineOp({
  name: 'sigmoid',
  inputs: { x: ['f32'] },
  outputs: ['y'],
  infer({ x }, _attributes: NoAttributes, refuse) {
    if (x.shape.length < 2) refuse('x needs two axes or more')
    return { y: x }
  },
  reference({ x }) {
    return { y: mapTensor(x, (value) => 1 / (1 + Math.exp(-value))) }
  },
  vjp(_inputs, { y }, { y: dy }, attributes, g) {
    return { x: g.apply(sigmoidBackward, 'x', { y, dy }, attributes) }
  },
  lower({ x }, { y }, _attributes, to) {
    const cols = widthFrom(y.type, 1)
    to.call(sigmoidForward, { rows: y.type.shape[0]!, cols, xRow: to.stride(x), yRow: to.stride(y), x, y })
  },
  tolerance: { relative: 3 },
  samples: (lanes) =>
    [1, lanes - 1, 2 * lanes + 1].map((cols) => ({
      inputs: { x: { dtype: 'f32', shape: [3, cols] } },
      attributes: {},
    })),
  refusals: [{ inputs: { x: denseRow([3]) }, attributes: {}, says: 'two axes' }],
})
