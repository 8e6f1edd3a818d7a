import { addForward } from '../kernels/pointwise/pointwise.kernel.ts'
import { defineBinary } from './binary.ts'

/** y = x + z, of equal shapes. */
export const add = defineBinary(
  'add',
  addForward,
  (x, z) => x + z,
  (_inputs, _outputs, { y: dy }) => ({ x: dy, z: dy }),
)
