import { definePointwiseBackward, eachElement } from './pointwiseBackward.ts'

/** dx = dy · (1 - (y / cap)²), from what softCap gave. */
export const softCapBackward = definePointwiseBackward<'y', { cap: number }>('softCapBackward', 'y', {
  gradient: eachElement((y, { cap }) => 1 - (y / cap) ** 2),
  kinds: [{ cap: 0.4 }, { cap: 30 }],
})
