import { dtypes } from '../base/dtypes.ts'
import { type Dim, elementsFrom } from '../ir/graph.ts'
import { ownItems } from '../kernels/kernel.ts'
import { kernels } from '../kernels/registry.ts'
import type { MemoryPlan, PlacedBuffer } from './planMemory.ts'
import type { Barrier, Call, Place, Program, Repeat, Step } from './program.ts'

/** Bytes that a call touches, and how its parts divide them. */
interface Access {
  readonly writes: boolean
  /** Of the whole buffer. */
  readonly low: number
  readonly high: number
  /** Equal for buffers that divide the same bytes into the same rows and elements. */
  readonly grid: string
  /** Columns of each row of the buffer, in elements. */
  readonly column: number
  readonly columns: number
  /** Set where a part touches only its own items: calls with the same text divide these bytes equally. */
  readonly own: string | undefined
}

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

function isConflict(a: Access, b: Access): boolean {
  if (!a.writes && !b.writes) return false
  if (a.grid === b.grid) {
    if (a.column >= b.column + b.columns || b.column >= a.column + a.columns) return false
    const isSameShare = a.own !== undefined && a.own === b.own && a.column === b.column && a.columns === b.columns
    return !isSameShare
  }
  return a.low < b.high && b.low < a.high
}

function joinAccesses(a: readonly Access[], b: readonly Access[]): Access[] {
  const key = (access: Access) => JSON.stringify(access)
  const known = new Set(a.map(key))
  return [...a, ...b.filter((access) => !known.has(key(access)))]
}

function callAccesses(
  call: Call,
  buffers: ReadonlyMap<string, PlacedBuffer>,
  bounds: Program['bounds'],
  repeat: Repeat | undefined,
): Access[] {
  const kernel = kernels.get(call.kernel)!
  const items = ownItems(kernel.split, (dim) => boundDim(call.dims[dim]!, bounds))
  return Object.entries(call.buffers).flatMap(([argument, place]): Access[] => {
    const parameter = kernel.buffers[argument]!
    const own = kernel.split.own.includes(argument) ? items?.join(' ') : undefined
    return placedBuffers(place, buffers, repeat).map(({ buffer, offset }) => {
      const { row, column } = beginning(offset, buffer)
      return {
        writes: parameter.access !== 'read',
        low: buffer.offset,
        high: buffer.offset + buffer.bytes,
        // Rows that begin further down are divided otherwise.
        grid: [buffer.offset, buffer.dtype, ...buffer.shape, row].join(' '),
        column,
        columns: rowElements(parameter.shape, call),
        own,
      }
    })
  })
}

/** A symbol that is never more than 1 is 1, or there is nothing to divide. */
function boundDim(dim: Dim, bounds: Program['bounds']): Dim {
  return typeof dim === 'string' && bounds[dim] === 1 ? 1 : dim
}

/** The buffers that an argument may point to: one, or in a repeat one per round. Weights are only read. */
function placedBuffers(
  place: Place | null,
  buffers: ReadonlyMap<string, PlacedBuffer>,
  repeat: Repeat | undefined,
): { buffer: PlacedBuffer; offset: number }[] {
  if (place?.in === 'memory') return [{ buffer: buffers.get(place.buffer)!, offset: place.offset }]
  if (place?.in !== 'table' || !repeat) return []
  const column = repeat.columns[place.column]!
  return column.in === 'memory' ? column.entries.map((name) => ({ buffer: buffers.get(name)!, offset: 0 })) : []
}

/** The row and column of a buffer at which an argument begins. Only activations are read in parts. */
function beginning(bytes: number, { region, dtype, shape }: PlacedBuffer): { row: number; column: number } {
  if (region !== 'activation') return { row: bytes, column: 0 }
  const columns = elementsFrom(shape, 1)
  const { blockBytes, blockElements } = dtypes[dtype]
  const elements = (bytes / blockBytes) * blockElements
  return { row: Math.floor(elements / columns), column: elements % columns }
}

/** Elements per row that an argument covers, by its declared shape. */
function rowElements(shape: readonly (string | number)[], call: Call): number {
  return shape
    .slice(1)
    .reduce<number>((product, dim) => product * Number(typeof dim === 'string' ? call.dims[dim] : dim), 1)
}
