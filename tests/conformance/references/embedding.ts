import type { WeightDtype } from '../../../src/base/dtypes.ts'
import { perFormat, widths } from './formats.ts'
import type { Reference, References } from './reference.ts'
import { below, take } from './rowValues.ts'
import { counts, mixed } from './sizes.ts'

function forFormat(dtype: WeightDtype): Reference {
  return {
    sizes: (lanes) =>
      mixed(8, {
        tokens: counts,
        rows: [1, lanes + 1, 3 * lanes, 5 * lanes - 1],
        cols: widths(dtype, [1, 3], [1, 37]),
      }),
    fill: { ids: below('rows', 'tokens') },
    // A value with an offset is rounded to f32; all others are exact in it.
    compute: ({ ids, w }, { cols }) => ({ y: take(w!, ids!, cols!).map(Math.fround) }),
    epsilons: 0,
  }
}

/** How the kernels of the family `embedding` are judged. */
export const embedding: References<'embedding'> = {
  ...perFormat('embedding_fwd', forFormat),
}
