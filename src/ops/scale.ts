import { defineOp, type OpDefinition } from '../ir/op.ts'
import { mapTensor } from '../ir/tensor.ts'
import { scaleForward } from '../kernels/pointwise/pointwise.kernel.ts'
import { denseRow, widthFrom } from './shapes.ts'

/** y = factor · x */
export const scale: OpDefinition<'x', 'y', { factor: number }> = defineOp({
  name: 'scale',
  inputs: { x: ['f32'] },
  outputs: ['y'],
  keepsLogits: true,
  infer({ x }, { factor }, refuse) {
    if (x.shape.length < 2) refuse('x needs two axes or more')
    if (!Number.isFinite(factor)) refuse(`factor is ${factor}; accepted: a finite number`)
    return { y: x }
  },
  reference({ x }, { factor }) {
    return { y: mapTensor(x, (value) => factor * value) }
  },
  vjp(_inputs, _outputs, { y: dy }, { factor }, g) {
    return { x: g.apply(scale, 'x', { x: dy }, { factor }) }
  },
  lower({ x }, { y }, { factor }, to) {
    const strides = { xRow: to.stride(x), yRow: to.stride(y) }
    to.call(scaleForward, { rows: y.type.shape[0]!, cols: widthFrom(y.type, 1), ...strides, factor, x, y })
  },
  tolerance: { relative: 1 },
  samples: (lanes) =>
    [1, lanes - 1, 2 * lanes + 1].map((cols) => ({
      inputs: { x: { dtype: 'f32', shape: [3, cols] } },
      attributes: { factor: 1.7 },
    })),
  refusals: [
    { inputs: { x: denseRow([3]) }, attributes: { factor: 2 }, says: 'two axes' },
    { inputs: { x: denseRow(['tokens', 3]) }, attributes: { factor: Number.NaN }, says: 'factor is NaN' },
  ],
})
