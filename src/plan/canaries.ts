import { type Graph, nodeName } from '../ir/graph.ts'
import type { OpTable } from '../ir/op.ts'
import type { MemoryPlan } from './planMemory.ts'
import { callsOf, type Mode, type Program } from './program.ts'

/** A part of a training step. */
export type Phase = 'forward' | 'backward' | 'update'

/** A call as messages name it. */
export interface GuardedCall {
  readonly name: string
  readonly phase: Phase
}

/** Bytes of the memory that nothing may write from before call `first` until behind call `last`. */
export interface Guard {
  readonly buffer: string
  readonly offset: number
  readonly bytes: number
  readonly first: number
  readonly last: number
}

/** What a debug build of a program watches: its calls in their order, every round of a repeat, and the guards. */
export interface Canaries {
  readonly calls: readonly GuardedCall[]
  readonly guards: readonly Guard[]
}

/**
 * The canaries of a program before its layers are folded, in a memory that was planned with guards. An activation is guarded
 * from the call that makes it to its last reader, for others have its bytes before and after; all else through the whole step.
 */
export function canariesOf(program: Program, plan: MemoryPlan, phases: ReadonlyMap<string, Phase>): Canaries {
  const calls = [...callsOf(program.steps)].map(({ call: { name } }) => ({
    name,
    phase: phases.get(name) ?? 'forward',
  }))
  const whole = { first: 0, last: calls.length - 1 }
  const guards = plan.buffers[program.mode]!.flatMap(({ name, region, guard, first, last }) =>
    guard ? [{ buffer: name, ...guard, ...(region === 'activation' ? { first, last } : whole) }] : [],
  )
  return { calls, guards: guards.toSorted((a, b) => a.first - b.first || a.offset - b.offset) }
}

/**
 * The phase of every node of a training program, by its name. Nodes are `of` others from the backward half on, and those of a
 * weight are its update from the first on that advances a state.
 */
export function phasesOf({ nodes }: Graph, ops: OpTable, mode: Mode): ReadonlyMap<string, Phase> {
  const updated = new Set<string>()
  const isUpdate = mode === 'update' || mode === 'copy'
  let last: Phase = isUpdate ? 'update' : 'forward'
  const phaseOf = ({ of, op }: Graph['nodes'][number]): Phase => {
    if (isUpdate) return 'update'
    if (of === undefined) return last === 'forward' ? 'forward' : 'update'
    if (mode === 'train' && ops[op]?.advances) updated.add(of)
    return updated.has(of) ? 'update' : 'backward'
  }
  return new Map(
    nodes.map((node) => {
      last = phaseOf(node)
      return [nodeName(node), last]
    }),
  )
}
