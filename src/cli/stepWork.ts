import { dtypes } from '../base/dtypes.ts'
import { kernels } from '../kernels/registry.ts'
import type { MemoryPlan, PlacedWeight } from '../plan/planMemory.ts'
import { type Call, callsOf, type Program, type Repeat } from '../plan/program.ts'
import { attendedInStep, attendedMean, cachedBytes, windowOf } from './attended.ts'
import { costOf } from './printKernels.ts'
import type { Span, Work } from './span.ts'

/** The work of a span in the steps of `program`, which takes at most its bound of tokens at once. */
export function workOf(program: Program, plan: MemoryPlan, { from, tokens }: Span): Work {
  const perStep = program.bounds.tokens ?? 1
  const steps = Math.ceil(tokens / perStep)
  let bytes = tokens * tableRowBytes(program, plan) + steps * weightBytes(program, plan, 'tokens')
  // A decoded token's logits are all of use; of a prompt's only the last.
  bytes += (program.mode === 'decode' ? steps : 1) * weightBytes(program, plan, 'outputs')
  const bounds = { ...program.bounds, tokens, outputs: program.mode === 'decode' ? tokens : 1 }
  let operations = 0
  for (const { call, repeat } of callsOf(program.steps)) {
    const rounds = repeat?.count ?? 1
    const isAttention = kernels.get(call.kernel)?.family === 'attention'
    // Operations are linear in the positions attended to, so their mean is exact.
    const context = attendedMean({ from, tokens }, windowOf(call))
    const counted = isAttention ? { ...call, dims: { ...call.dims, context } } : call
    operations += rounds * costOf(counted, bounds).flops
    for (let begun = 0; begun < tokens; begun += perStep) {
      const span = { from: from + begun, tokens: Math.min(perStep, tokens - begun) }
      bytes += rounds * cachedBytes(call) * attendedInStep(span, windowOf(call))
    }
  }
  return { bytes, operations }
}

/** Whether the products of these weights are of 8-bit integers. */
export function isQuantised({ weights }: MemoryPlan): boolean {
  return weights.some(({ dtype }) => dtypes[dtype].blockElements > 1)
}

/** Who reads a weight: rows of it by id; all of it for every token; all of it for the tokens whose logits are asked for. */
type Reader = 'ids' | 'tokens' | 'outputs'

function weightBytes(program: Program, plan: MemoryPlan, reader: 'tokens' | 'outputs'): number {
  const readers = readersOf(program)
  return plan.weights
    .filter(({ name }) => wholeReader(readers.get(name)) === reader)
    .reduce((sum, { bytes }) => sum + bytes, 0)
}

/** Bytes that a token reads of tables of which nothing else is read: an embedding that is not the head as well. */
function tableRowBytes(program: Program, plan: MemoryPlan): number {
  const readers = readersOf(program)
  const isTable = ({ name }: PlacedWeight) => readers.has(name) && wholeReader(readers.get(name)) === undefined
  return plan.weights.filter(isTable).reduce((sum, { bytes, rows }) => sum + bytes / rows, 0)
}

function wholeReader(readers: ReadonlySet<Reader> | undefined): 'tokens' | 'outputs' | undefined {
  if (readers?.has('tokens')) return 'tokens'
  return readers?.has('outputs') ? 'outputs' : undefined
}

function readersOf(program: Program): ReadonlyMap<string, ReadonlySet<Reader>> {
  const readers = new Map<string, Set<Reader>>()
  for (const { call, repeat } of callsOf(program.steps)) {
    for (const name of weightsOf(call, repeat)) {
      readers.set(name, (readers.get(name) ?? new Set<Reader>()).add(readerOf(call)))
    }
  }
  return readers
}

function readerOf(call: Call): Reader {
  if (kernels.get(call.kernel)?.family === 'embedding') return 'ids'
  return Object.values(call.dims).includes('outputs') ? 'outputs' : 'tokens'
}

function weightsOf(call: Call, repeat: Repeat | undefined): readonly string[] {
  return Object.values(call.buffers).flatMap((place) => {
    if (place?.in === 'weights') return [place.weight]
    if (place?.in !== 'table') return []
    const column = repeat?.columns[place.column]
    return column?.in === 'weights' ? column.entries : []
  })
}
