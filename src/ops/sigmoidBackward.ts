import type { NoAttributes } from '../ir/graph.ts'
import { definePointwiseBackward, eachElement } from './pointwiseBackward.ts'

/** dx = dy · y · (1 - y), from what sigmoid gave. */
export const sigmoidBackward = definePointwiseBackward<'y', NoAttributes>('sigmoidBackward', 'y', {
  gradient: eachElement((y) => y * (1 - y)),
  kinds: [{}],
})
