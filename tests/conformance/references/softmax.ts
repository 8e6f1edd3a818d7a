import type { References } from './reference.ts'
import { eachRow } from './rowValues.ts'
import { rowsOf } from './sizes.ts'

/** How the kernels of the family `softmax` are judged. */
export const softmax: References<'softmax'> = {
  softmax_fwd_f32: {
    sizes: (lanes) => rowsOf(lanes),
    compute: ({ x }, { cols }) => ({
      y: eachRow(x!, cols!, (row) => {
        const most = Math.max(...row)
        const total = row.reduce((sum, value) => sum + Math.exp(value - most), 0)
        return row.map((value) => Math.exp(value - most) / total)
      }),
    }),
    epsilons: 8,
  },
}
