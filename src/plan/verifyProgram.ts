import { fail } from '../base/errors.ts'
import { kernels } from '../kernels/registry.ts'
import type { MemoryPlan, PlacedBuffer } from './planMemory.ts'
import type { Call, Place, Program, Repeat } from './program.ts'

/**
 * Plays a planned program and refuses it where a call reads bytes that do not hold what it asks for: never written, or
 * written over since. Inputs, states and weights hold from the start. Rounds of a repeat are played twice.
 */
export function verifyProgram(program: Program, plan: MemoryPlan): Program {
  const buffers = new Map(plan.buffers[program.mode]!.map((buffer) => [buffer.name, buffer]))
  const written: PlacedBuffer[] = [...buffers.values()].filter(({ region }) => region === 'input' || region === 'state')
  const play = (call: Call, repeat: Repeat | undefined) => {
    const kernel =
      kernels.get(call.kernel) ?? fail('program_invalid', { where: call.name, what: `no kernel ${call.kernel}` })
    const writes: PlacedBuffer[] = []
    for (const [argument, place] of Object.entries(call.buffers)) {
      const buffer = bufferOf(place, repeat, buffers)
      if (!buffer) continue
      if (kernel.buffers[argument]!.access === 'write') writes.push(buffer)
      else if (!written.includes(buffer)) {
        fail('program_invalid', { where: call.name, what: `reads '${buffer.name}', whose bytes hold something else` })
      }
    }
    for (const buffer of writes) {
      const clash = writes.find((other) => other !== buffer && meets(other, buffer))
      if (clash)
        fail('program_invalid', {
          where: call.name,
          what: `writes '${buffer.name}' and '${clash.name}' to the same bytes`,
        })
      for (const other of written.filter((held) => held !== buffer && meets(held, buffer)))
        written.splice(written.indexOf(other), 1)
      if (!written.includes(buffer)) written.push(buffer)
    }
  }
  for (const step of program.steps) {
    if (step.kind === 'call') play(step, undefined)
    if (step.kind !== 'repeat') continue
    for (let round = 0; round < 2; round++) {
      for (const inner of step.body) if (inner.kind === 'call') play(inner, step)
    }
  }
  return program
}

function bufferOf(
  place: Place | null,
  repeat: Repeat | undefined,
  buffers: ReadonlyMap<string, PlacedBuffer>,
): PlacedBuffer | undefined {
  if (place?.in === 'memory') return buffers.get(place.buffer)
  const column = place?.in === 'table' ? repeat?.columns[place.column] : undefined
  return column?.in === 'memory' ? buffers.get(column.entries[0]!) : undefined
}

function meets(a: PlacedBuffer, b: PlacedBuffer): boolean {
  return a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes
}
