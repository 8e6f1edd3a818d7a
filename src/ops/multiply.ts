import type { NoAttributes } from '../ir/graph.ts'
import type { OpDefinition } from '../ir/op.ts'
import { multiplyForward } from '../kernels/pointwise/pointwise.kernel.ts'
import { defineBinary } from './binary.ts'

/** y = x * z, of equal shapes. */
export const multiply: OpDefinition<'x' | 'z', 'y', NoAttributes> = defineBinary(
  'multiply',
  multiplyForward,
  (x, z) => x * z,
  // dx = dy · z, dz = dy · x
  ({ x, z }, _outputs, { y: dy }, _attributes, g) => ({
    x: g.apply(multiply, 'x', { x: dy, z }, {}),
    z: g.apply(multiply, 'z', { x: dy, z: x }, {}),
  }),
)
