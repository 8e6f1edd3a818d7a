import { dtypes } from '../base/dtypes.ts'
import { type Dim, elementsFrom } from '../ir/graph.ts'
import { type BufferParameter, ownItems } from '../kernels/kernel.ts'
import { kernels } from '../kernels/registry.ts'
import type { Buffer, Call, Place, Program, Repeat } from './program.ts'

/** Bytes that a call touches, and how its parts divide them. */
export interface Access {
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
  /** Set where a call neither reads what it finds nor leaves anything to be read. */
  readonly isScratch: boolean
}

/** A buffer that has a place. */
type Located = Buffer & { readonly offset: number }

/** What a call touches of the buffers, which have their places. Weights are only read. */
export function callAccesses(
  call: Call,
  buffers: ReadonlyMap<string, Located>,
  bounds: Program['bounds'],
  repeat?: Repeat,
): Access[] {
  const kernel = kernels.get(call.kernel)!
  const items = ownItems(kernel.split, (dim) => boundDim(call.dims[dim]!, bounds))
  return Object.entries(call.buffers).flatMap(([argument, place]): Access[] => {
    const parameter = kernel.buffers[argument]!
    const own = kernel.split.own.includes(argument) && !isShared(parameter, call) ? items?.join(' ') : undefined
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
        own: parameter.scratch === 'pieces' ? 'pieces' : own,
        isScratch: parameter.scratch !== undefined,
      }
    })
  })
}

/** Whether the order of two calls with these accesses matters: one writes what the other touches. */
export function isDependent(a: Access, b: Access): boolean {
  return !(a.isScratch && b.isScratch) && (a.writes || b.writes) && overlaps(a, b)
}

/** Whether a part may write what another one touches. */
export function isConflict(a: Access, b: Access): boolean {
  if ((!a.writes && !b.writes) || !overlaps(a, b)) return false
  const isSameShare = a.own !== undefined && a.own === b.own && a.column === b.column && a.columns === b.columns
  return !(a.grid === b.grid && isSameShare)
}

function overlaps(a: Access, b: Access): boolean {
  if (a.grid === b.grid) return a.column < b.column + b.columns && b.column < a.column + a.columns
  return a.low < b.high && b.low < a.high
}

/** A symbol that is never more than 1 is 1, or there is nothing to divide. */
function boundDim(dim: Dim, bounds: Program['bounds']): Dim {
  return typeof dim === 'string' && bounds[dim] === 1 ? 1 : dim
}

/** Whether all rows of an argument are the same bytes, so that none is a part's own. */
function isShared({ rowStride }: BufferParameter<string>, call: Call): boolean {
  return rowStride !== undefined && call.dims[rowStride] === 0
}

/** The buffers that an argument may point to: one, or in a repeat one per round. */
function placedBuffers(
  place: Place | null,
  buffers: ReadonlyMap<string, Located>,
  repeat: Repeat | undefined,
): { buffer: Located; offset: number }[] {
  if (place?.in === 'memory') return [{ buffer: buffers.get(place.buffer)!, offset: place.offset }]
  if (place?.in !== 'table' || !repeat) return []
  const column = repeat.columns[place.column]!
  return column.in === 'memory' ? column.entries.map((name) => ({ buffer: buffers.get(name)!, offset: 0 })) : []
}

/** The row and column of a buffer at which an argument begins. Only activations are read in parts. */
function beginning(bytes: number, { region, dtype, shape }: Located): { row: number; column: number } {
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
