import { softCapGradient } from '../kernels/slopes/slopes.kernel.ts'
import { definePointwiseBackward, eachElement, elementRows } from './pointwiseBackward.ts'

/** dx = dy · (1 - (y / cap)²), from what softCap gave. */
export const softCapBackward = definePointwiseBackward<'y', { cap: number }>('softCapBackward', 'y', {
  gradient: eachElement((y, { cap }) => 1 - (y / cap) ** 2),
  lower: (operands, { cap }, to) => to.call(softCapGradient, { ...elementRows(operands, to), cap }),
  kinds: [{ cap: 0.4 }, { cap: 30 }],
})
