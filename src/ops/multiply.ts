import { multiplyForward } from '../kernels/pointwise/pointwise.kernel.ts'
import { defineBinary } from './binary.ts'

/** y = x * z, of equal shapes. */
export const multiply = defineBinary('multiply', multiplyForward, (x, z) => x * z)
