import { type Access, callAccesses, isConflict, isDependent } from './accesses.ts'
import { buffersOf } from './planMemory.ts'
import type { Buffer, Call, Program, Step } from './program.ts'

/** Calls that are put off at most before a barrier: what they work on stays in memory for so long. */
const mostPutOff = 24

/**
 * Puts off calls for which the threads would have to meet, as long as others need not wait, and places a barrier where all
 * that is left would. Every call still comes behind those whose results it reads, and before those that write over what it
 * reads; and one that reads no result of another is not taken early, for no other waits for it. Wants a program that is not
 * folded yet.
 */
export function gatherCalls(program: Program): Program {
  const buffers = apart(program)
  const steps: Step[] = []
  let left = program.steps
    .filter((step) => step.kind === 'call')
    .map((call) => ({ call, touched: callAccesses(call, buffers, program.bounds), goesOn: readsResult(call, buffers) }))
  while (left.length > 0) {
    if (steps.length > 0) steps.push({ kind: 'barrier' })
    const since: Access[] = []
    const waiting: Access[] = []
    const putOff: typeof left = []
    let at = 0
    for (; at < left.length && putOff.length < mostPutOff; at++) {
      const { call, touched, goesOn } = left[at]!
      const meets = (others: readonly Access[], how: typeof isConflict) =>
        touched.some((access) => others.some((other) => how(other, access)))
      if ((putOff.length > 0 && !goesOn) || meets(since, isConflict) || meets(waiting, isDependent)) {
        putOff.push(left[at]!)
        waiting.push(...touched)
      } else {
        steps.push(call)
        since.push(...touched)
      }
    }
    left = [...putOff, ...left.slice(at)]
  }
  return { ...program, steps }
}

function readsResult(call: Call, buffers: ReadonlyMap<string, Buffer>): boolean {
  return buffersOf(call).some(
    ({ buffer, access }) => access !== 'write' && buffers.get(buffer)!.region === 'activation',
  )
}

/** The buffers one behind the other: none shares bytes with another. */
function apart({ buffers }: Program): ReadonlyMap<string, Buffer & { readonly offset: number }> {
  let end = 0
  return new Map(
    buffers.map((buffer) => {
      const offset = end
      end += buffer.bytes
      return [buffer.name, { ...buffer, offset }]
    }),
  )
}
