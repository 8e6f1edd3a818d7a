import { type Access, callAccesses, isConflict } from './accesses.ts'
import type { MemoryPlan, PlacedBuffer } from './planMemory.ts'
import type { Barrier, Call, Program, Repeat, Step } from './program.ts'

/**
 * Places a barrier wherever a call touches bytes that another part may have touched since the last one, unless both only
 * read. A repeat is planned for the passage from one round to the next as well.
 */
export function planThreads(program: Program, plan: MemoryPlan): Program {
  const buffers = new Map(plan.buffers[program.mode]!.map((buffer) => [buffer.name, buffer]))
  let pending: Access[] = []
  const steps: Step[] = []
  for (const step of program.steps) {
    if (step.kind === 'barrier') continue
    if (step.kind === 'call') {
      const result = planCalls([step], pending, buffers, program.bounds, undefined)
      steps.push(...result.steps)
      pending = result.pending
      continue
    }
    const calls = step.body.filter((inner) => inner.kind === 'call')
    let entering = pending
    let result = planCalls(calls, entering, buffers, program.bounds, step)
    // What is pending at the end of a round is pending at the start of the next: repeat until nothing is added.
    for (;;) {
      const joined = joinAccesses(entering, result.pending)
      if (joined.length === entering.length) break
      entering = joined
      result = planCalls(calls, entering, buffers, program.bounds, step)
    }
    steps.push({ ...step, body: result.steps })
    pending = result.pending
  }
  return { ...program, steps }
}

function planCalls(
  calls: readonly Call[],
  entering: readonly Access[],
  buffers: ReadonlyMap<string, PlacedBuffer>,
  bounds: Program['bounds'],
  repeat: Repeat | undefined,
): { steps: (Call | Barrier)[]; pending: Access[] } {
  let pending = [...entering]
  const steps: (Call | Barrier)[] = []
  for (const call of calls) {
    const touched = callAccesses(call, buffers, bounds, repeat)
    if (touched.some((access) => pending.some((earlier) => isConflict(earlier, access)))) {
      steps.push({ kind: 'barrier' })
      pending = []
    }
    steps.push(call)
    pending = joinAccesses(pending, touched)
  }
  return { steps, pending }
}

function joinAccesses(a: readonly Access[], b: readonly Access[]): Access[] {
  const key = (access: Access) => JSON.stringify(access)
  const known = new Set(a.map(key))
  return [...a, ...b.filter((access) => !known.has(key(access)))]
}
