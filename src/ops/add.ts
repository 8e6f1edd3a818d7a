import type { NoAttributes } from '../ir/graph.ts'
import type { OpDefinition } from '../ir/op.ts'
import { addForward } from '../kernels/pointwise/pointwise.kernel.ts'
import { defineBinary } from './binary.ts'

/** y = x + z, of equal shapes. */
export const add: OpDefinition<'x' | 'z', 'y', NoAttributes> = {
  ...defineBinary(
    'add',
    addForward,
    (x, z) => x + z,
    (_inputs, _outputs, { y: dy }) => ({ x: dy, z: dy }),
  ),
  keepsLogits: true,
}
