import type { NoAttributes } from '../ir/graph.ts'
import { defineOp, type OpDefinition } from '../ir/op.ts'
import { mapTensor } from '../ir/tensor.ts'
import type { addForward, multiplyForward } from '../kernels/pointwise/pointwise.kernel.ts'
import { denseRow, widthFrom } from './shapes.ts'

/** An op of two f32 operands of equal shape that works element by element: y = of(x, z). */
export function defineBinary(
  name: string,
  kernel: typeof addForward | typeof multiplyForward,
  of: (x: number, z: number) => number,
  vjp: NonNullable<OpDefinition<'x' | 'z', 'y', NoAttributes>['vjp']>,
): OpDefinition<'x' | 'z', 'y', NoAttributes> {
  return defineOp({
    name,
    inputs: { x: ['f32'], z: ['f32'] },
    outputs: ['y'],
    infer({ x, z }, _attributes: NoAttributes, refuse) {
      if (x.shape.length < 1) refuse('x needs an axis')
      if (x.shape.join() !== z.shape.join()) refuse(`x is [${x.shape}] and z is [${z.shape}]; they must be equal`)
      return { y: x }
    },
    reference({ x, z }) {
      return { y: mapTensor(x, (value, i) => of(value, z.data[i]!)) }
    },
    vjp,
    lower({ x, z }, { y }, _attributes, to) {
      const strides = { xRow: to.stride(x), zRow: to.stride(z), yRow: to.stride(y) }
      to.call(kernel, { rows: y.type.shape[0]!, cols: widthFrom(y.type, 1), ...strides, x, z, y })
    },
    tolerance: { relative: 0.5 },
    samples: (lanes) =>
      [[5], [3, 1], [3, lanes - 1], [3, 2 * lanes + 1]].map((shape) => ({
        inputs: { x: { dtype: 'f32', shape }, z: { dtype: 'f32', shape } },
        attributes: {},
      })),
    refusals: [
      {
        inputs: { x: denseRow(['tokens', 8]), z: denseRow(['tokens', 9]) },
        attributes: {},
        says: 'they must be equal',
      },
    ],
  })
}
