import { itemCount, itemDim } from '../kernels/kernel.ts'
import { kernels } from '../kernels/registry.ts'
import type { Call, Program } from './program.ts'

/**
 * Gives every free split the items of the call that made what it reads, where they divide its own evenly: a part then goes on
 * with what it has made itself, and the threads need not meet between the two. Wants a program that is not folded yet.
 */
export function matchSplits(program: Program): Program {
  const writers = new Map<string, { call: Call; argument: string }>()
  const steps = program.steps.map((step) => {
    if (step.kind !== 'call') return step
    const call = matchCall(step, writers)
    const { buffers } = kernels.get(call.kernel)!
    for (const [argument, place] of Object.entries(call.buffers))
      if (place?.in === 'memory' && buffers[argument]!.access !== 'read') writers.set(place.buffer, { call, argument })
    return call
  })
  return { ...program, steps }
}

function matchCall(call: Call, writers: ReadonlyMap<string, { call: Call; argument: string }>): Call {
  const { free } = kernels.get(call.kernel)!.split
  const place = free && call.buffers[free.like]
  const writer = place?.in === 'memory' ? writers.get(place.buffer) : undefined
  if (!free || !writer) return call
  const finest = Number(call.dims[free.dim])
  const items = columnItems(writer.call, writer.argument)
  return items === undefined || finest % items !== 0 ? call : { ...call, dims: { ...call.dims, [free.dim]: items } }
}

/** Into how many items a call divides the columns of an argument; undefined where its parts own nothing of it. */
function columnItems(call: Call, argument: string): number | undefined {
  const { split, buffers } = kernels.get(call.kernel)!
  if (!split.own.includes(argument)) return undefined
  const [rows] = buffers[argument]!.shape
  return split.items
    .filter((item) => itemDim(item) !== rows)
    .reduce((product, item) => product * itemCount(item, Number(call.dims[itemDim(item)])), 1)
}
