import type { NoAttributes } from '../ir/graph.ts'
import { defineOp } from '../ir/op.ts'
import { mapTensor } from '../ir/tensor.ts'
import { multiplyForward } from '../kernels/pointwise/pointwise.kernel.ts'
import { denseRow, widthFrom } from './shapes.ts'

/** y = x * z, of equal shapes. */
export const multiply = defineOp({
  name: 'multiply',
  inputs: { x: ['f32'], z: ['f32'] },
  outputs: ['y'],
  infer({ x, z }, _attributes: NoAttributes, refuse) {
    if (x.shape.length < 2) refuse('x needs two axes or more')
    if (x.shape.join() !== z.shape.join()) refuse(`x is [${x.shape}] and z is [${z.shape}]; they must be equal`)
    return { y: x }
  },
  reference({ x, z }) {
    return { y: mapTensor(x, (value, i) => value * z.data[i]!) }
  },
  lower({ x, z }, { y }, _attributes, to) {
    to.call(multiplyForward, {
      rows: y.type.shape[0]!,
      cols: widthFrom(y.type, 1),
      xRow: to.stride(x),
      zRow: to.stride(z),
      yRow: to.stride(y),
      x,
      z,
      y,
    })
  },
  tolerance: { relative: 0.5 },
  samples: (lanes) =>
    [1, lanes - 1, 2 * lanes + 1].map((cols) => ({
      inputs: { x: { dtype: 'f32', shape: [3, cols] }, z: { dtype: 'f32', shape: [3, cols] } },
      attributes: {},
    })),
  refusals: [
    { inputs: { x: denseRow(['tokens', 8]), z: denseRow(['tokens', 9]) }, attributes: {}, says: 'they must be equal' },
  ],
})
