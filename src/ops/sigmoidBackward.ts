import type { NoAttributes } from '../ir/graph.ts'
import { sigmoidGradient } from '../kernels/slopes/slopes.kernel.ts'
import { definePointwiseBackward, eachElement, elementRows } from './pointwiseBackward.ts'

/** dx = dy · y · (1 - y), from what sigmoid gave. */
export const sigmoidBackward = definePointwiseBackward<'y', NoAttributes>('sigmoidBackward', 'y', {
  gradient: eachElement((y) => y * (1 - y)),
  lower: (operands, _attributes, to) => to.call(sigmoidGradient, elementRows(operands, to)),
  kinds: [{}],
})
