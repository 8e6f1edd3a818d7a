import { bytesOf } from '../base/dtypes.ts'
import { kernels } from '../kernels/registry.ts'
import type { Buffer, Call, Program } from './program.ts'

/**
 * Gives all calls whose parts keep to pieces of their scratch the same one, as large as the largest of them wants: what one
 * call leaves in it keeps no part of the next one waiting. Wants a program that is not folded yet.
 */
export function shareScratch(program: Program): Program {
  const wanted = program.steps.flatMap((step) => (step.kind === 'call' ? (scratchOf(step) ?? []) : []))
  const largest = Math.max(0, ...wanted.map(({ elements }) => elements))
  if (largest === 0) return program
  const replaced = new Set(wanted.map(({ buffer }) => buffer))
  const shared: Buffer = {
    ...program.buffers.find(({ name }) => name === wanted[0]!.buffer)!,
    name: freeName(program),
    shape: [largest],
    bytes: bytesOf('f32', largest)!,
  }
  const steps = program.steps.map((step) => {
    const own = step.kind === 'call' ? scratchOf(step) : undefined
    if (step.kind !== 'call' || !own) return step
    const place = { in: 'memory', buffer: shared.name, offset: 0 } as const
    return {
      ...step,
      dims: { ...step.dims, [own.dim]: largest },
      buffers: { ...step.buffers, [own.argument]: place },
    }
  })
  const values = program.values.filter(({ buffer }) => !replaced.has(buffer))
  const buffers = [...program.buffers.filter(({ name }) => !replaced.has(name)), shared]
  return { ...program, buffers, values, steps }
}

/** The scratch of a call that its parts keep to pieces of: the argument, its buffer, and the dim that is its elements. */
function scratchOf(call: Call) {
  const found = Object.entries(kernels.get(call.kernel)!.buffers).find(([, { scratch }]) => scratch === 'pieces')
  if (!found) return undefined
  const [argument, { shape }] = found
  const [place, dim] = [call.buffers[argument], String(shape[0])]
  return place?.in === 'memory' ? { argument, dim, buffer: place.buffer, elements: Number(call.dims[dim]) } : undefined
}

function freeName({ buffers }: Program): string {
  const taken = new Set(buffers.map(({ name }) => name))
  let name = 'scratch'
  for (let n = 2; taken.has(name); n++) name = `scratch${n}`
  return name
}
