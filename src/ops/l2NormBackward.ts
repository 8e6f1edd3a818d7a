import { rowsAndCols } from '../ir/tensor.ts'
import { l2NormGradient } from '../kernels/normgrad/normgrad.kernel.ts'
import { vectorsOf } from './normGradient.ts'
import { definePointwiseBackward } from './pointwiseBackward.ts'

/** dx = dy / n - x · Σ(x · dy) / n³ with n = √(Σx² + eps), over the last axis. */
export const l2NormBackward = definePointwiseBackward<'x', { eps: number }>('l2NormBackward', 'x', {
  gradient(x, dy, { eps }, dx) {
    const { rows, cols } = rowsAndCols(x)
    for (let r = 0; r < rows; r++) {
      let squares = eps
      let along = 0
      for (let i = r * cols; i < (r + 1) * cols; i++) {
        squares += x.data[i]! ** 2
        along += x.data[i]! * dy.data[i]!
      }
      const length = Math.sqrt(squares)
      for (let i = r * cols; i < (r + 1) * cols; i++)
        dx.data[i] = dy.data[i]! / length - (x.data[i]! * along) / length ** 3
    }
  },
  lower({ value: x, dy, dx }, { eps }, to) {
    to.call(l2NormGradient, { ...vectorsOf({ x, dy }, to).dims, dxRow: to.stride(dx), eps, x, dy, dx })
  },
  kinds: [{ eps: 1e-6 }],
  // One number alone is normed away, and its gradient is what rounding leaves.
  narrowest: 2,
})
