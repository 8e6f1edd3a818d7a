import { bytesOf } from '../base/dtypes.ts'
import { fail } from '../base/errors.ts'
import type { BufferParameter } from '../kernels/kernel.ts'
import { kernels } from '../kernels/registry.ts'
import { lineBytes, type MemoryPlan, type PlacedBuffer } from './planMemory.ts'
import type { Call, Place, Program, Repeat } from './program.ts'

/**
 * Plays a planned program, every round of its repeats, and refuses it where a call reads bytes that do not hold what it
 * asks for: never written, or written over since. Inputs, states and weights hold from the start; states and outputs must
 * hold at the end. Refuses too what lies askew, beyond its region, or on what lasts as long.
 */
export function verifyProgram(program: Program, plan: MemoryPlan): Program {
  checkRegions(program, plan)
  const buffers = new Map(plan.buffers[program.mode]!.map((buffer) => [buffer.name, buffer]))
  const held = new Set([...buffers.values()].filter(({ region }) => region === 'input' || region === 'state'))
  const play = (call: Call, repeat: Repeat | undefined, round: number) => {
    const kernel =
      kernels.get(call.kernel) ?? fail('program_invalid', { where: call.name, what: `no kernel ${call.kernel}` })
    const writes: PlacedBuffer[] = []
    for (const [argument, place] of Object.entries(call.buffers)) {
      const buffer = bufferOf(place, repeat, round, buffers)
      if (!buffer) continue
      const parameter = kernel.buffers[argument]!
      const end = (place && 'offset' in place ? (place.offset ?? 0) : 0) + reach(parameter, call, program)
      if (end > buffer.bytes) {
        const what = `takes ${end} bytes of '${buffer.name}', which has ${buffer.bytes}`
        fail('program_invalid', { where: call.name, what })
      }
      if (parameter.access === 'write') writes.push(buffer)
      else if (!held.has(buffer)) {
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
      for (const other of held) if (other !== buffer && meets(other, buffer)) held.delete(other)
      held.add(buffer)
    }
  }
  for (const step of program.steps) {
    if (step.kind === 'call') play(step, undefined, 0)
    if (step.kind !== 'repeat') continue
    for (let round = 0; round < step.count; round++) {
      for (const inner of step.body) if (inner.kind === 'call') play(inner, step, round)
    }
  }
  for (const buffer of buffers.values()) {
    if ((buffer.region === 'state' || buffer.region === 'output') && !held.has(buffer))
      fail('program_invalid', { where: buffer.name, what: `does not hold its ${buffer.region} when the step ends` })
  }
  return program
}

function checkRegions(program: Program, { buffers, weights, memoryBytes, weightsBytes }: MemoryPlan): void {
  const check = (where: string, offset: number, bytes: number, end: number) => {
    if (offset % lineBytes !== 0)
      fail('program_invalid', { where, what: `lies at byte ${offset}; accepted: a multiple of ${lineBytes}` })
    if (offset < 0 || offset + bytes > end)
      fail('program_invalid', { where, what: `lies at ${offset} to ${offset + bytes}, and its region ends at ${end}` })
  }
  for (const { name, offset, bytes } of buffers[program.mode]!) check(name, offset, bytes, memoryBytes)
  const lasting = buffers[program.mode]!.filter(({ region }) => region !== 'activation')
  for (const [at, buffer] of lasting.entries()) {
    const other = lasting.slice(at + 1).find((candidate) => meets(candidate, buffer))
    if (other)
      fail('program_invalid', { where: other.name, what: `lies on the bytes of '${buffer.name}', which lasts too` })
  }
  let end = 0
  for (const { name, offset, bytes } of weights.toSorted((a, b) => a.offset - b.offset)) {
    check(name, offset, bytes, weightsBytes)
    if (offset < end) fail('program_invalid', { where: name, what: 'lies on the bytes of another weight' })
    end = offset + bytes
  }
}

/** Bytes from the start of an argument to the end of what the largest step touches. */
function reach(parameter: BufferParameter<string>, call: Call, { bounds }: Program): number {
  const size = (dim: string | number): number => {
    const value = typeof dim === 'string' ? call.dims[dim]! : dim
    return typeof value === 'string' ? bounds[value]! : value
  }
  const [rows = 1, ...rest] = parameter.shape.map(size)
  const row = rest.reduce((product, axis) => product * axis, 1)
  const stride = parameter.rowStride === undefined ? row : size(parameter.rowStride)
  return rows === 0 ? 0 : bytesOf(parameter.dtype, (rows - 1) * stride + row)!
}

function bufferOf(
  place: Place | null,
  repeat: Repeat | undefined,
  round: number,
  buffers: ReadonlyMap<string, PlacedBuffer>,
): PlacedBuffer | undefined {
  if (place?.in === 'memory') return buffers.get(place.buffer)
  const column = place?.in === 'table' ? repeat?.columns[place.column] : undefined
  return column?.in === 'memory' ? buffers.get(column.entries[round]!) : undefined
}

/** Whether two buffers, with their guards, share bytes. */
function meets(a: PlacedBuffer, b: PlacedBuffer): boolean {
  return a.offset < endOf(b) && b.offset < endOf(a)
}

function endOf({ offset, bytes, guard }: PlacedBuffer): number {
  return guard ? guard.offset + guard.bytes : offset + bytes
}
