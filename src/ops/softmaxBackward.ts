import type { NoAttributes } from '../ir/graph.ts'
import { rowsAndCols } from '../ir/tensor.ts'
import { softmaxGradient } from '../kernels/slopes/slopes.kernel.ts'
import { definePointwiseBackward, elementRows } from './pointwiseBackward.ts'

/** dx = y · (dy - Σ dy · y), over the last axis, from what softmax gave. */
export const softmaxBackward = definePointwiseBackward<'y', NoAttributes>('softmaxBackward', 'y', {
  gradient(y, dy, _attributes, dx) {
    const { rows, cols } = rowsAndCols(y)
    for (let r = 0; r < rows; r++) {
      let along = 0
      for (let i = r * cols; i < (r + 1) * cols; i++) along += dy.data[i]! * y.data[i]!
      for (let i = r * cols; i < (r + 1) * cols; i++) dx.data[i] = y.data[i]! * (dy.data[i]! - along)
    }
  },
  lower: (operands, _attributes, to) => to.call(softmaxGradient, elementRows(operands, to)),
  kinds: [{}],
})
