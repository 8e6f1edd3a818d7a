import { roundToBfloat16 } from '../../../src/base/halfFloats.ts'
import type { References } from './reference.ts'
import { rowsOf } from './sizes.ts'

/** How the kernels of the family `cast` are judged. */
export const cast: References<'cast'> = {
  cast_fwd_f32_bf16: {
    sizes: (lanes) => rowsOf(lanes),
    compute: ({ x }) => ({ y: x!.map(roundToBfloat16) }),
    epsilons: 0,
  },
  cast_fwd_bf16_f32: { sizes: (lanes) => rowsOf(lanes), compute: ({ x }) => ({ y: x! }), epsilons: 0 },
}
