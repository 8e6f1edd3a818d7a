import { bytesOf } from '../../src/base/dtypes.ts'
import { type Kernel, ownItems, pieceElements } from '../../src/kernels/kernel.ts'
import { kernels } from '../../src/kernels/registry.ts'
import type { MemoryPlan, PlacedBuffer } from '../../src/plan/planMemory.ts'
import type { Call, Place, Program, Repeat } from '../../src/plan/program.ts'
import { countItems } from './kernelCases.ts'
import { type Dims, shapeOf } from './placement.ts'
import { bindDims } from './runProgram.ts'

/** Bytes are watched in words of this size: every element's place is a multiple of it. */
const wordBytes = 2
/** Who touched a word: nobody, one part, or parts that the declaration does not tell. */
const nobody = -1
const anybody = -2

/**
 * Plays a program for `parts` threads at the size of single elements, and gives a sentence on the first call that reads or
 * writes what another part may have touched since the last barrier; undefined where there is none. A part touches of an
 * own buffer the elements of its own items, and of a scratch in pieces its own; of another one it may touch all that the
 * call's shape covers.
 */
export function findRace(program: Program, plan: MemoryPlan, symbols: Dims, parts: number): string | undefined {
  const words = plan.memoryBytes / wordBytes
  const writer = new Int8Array(words).fill(nobody)
  const reader = new Int8Array(words).fill(nobody)
  const touched: { word: number; by: number; writes: boolean }[] = []
  const buffers = new Map(plan.buffers[program.mode]!.map((buffer) => [buffer.name, buffer]))
  const play = (call: Call, repeat: Repeat | undefined, round: number): string | undefined => {
    const kernel = kernels.get(call.kernel)!
    const dims = bindDims(call, symbols)
    touched.length = 0
    for (const [name, place] of Object.entries(call.buffers)) {
      const at = bufferAt(place, repeat, round, buffers)
      if (!at) continue
      for (const { word, by } of elementsOf(kernel, name, dims, at, parts)) {
        const writes = kernel.buffers[name]!.access !== 'read'
        const isForeign = (other: number) => other !== nobody && (other === anybody || by === anybody || other !== by)
        if (isForeign(writer[word]!) || (writes && isForeign(reader[word]!)))
          return `${call.name} (${call.kernel}) ${writes ? 'writes' : 'reads'} ${name}, which another part has touched`
        touched.push({ word, by, writes })
      }
    }
    // The parts of one call do not disturb each other: that is tested with the kernels.
    for (const { word, by, writes } of touched) {
      const list = writes ? writer : reader
      list[word] = list[word] === nobody || list[word] === by ? by : anybody
    }
    return undefined
  }
  const meet = () => {
    writer.fill(nobody)
    reader.fill(nobody)
  }
  for (const step of program.steps) {
    const rounds = step.kind === 'repeat' ? step.count : 1
    for (let round = 0; round < rounds; round++) {
      for (const inner of step.kind === 'repeat' ? step.body : [step]) {
        if (inner.kind === 'barrier') meet()
        const race = inner.kind === 'call' ? play(inner, step.kind === 'repeat' ? step : undefined, round) : undefined
        if (race) return race
      }
    }
  }
  return undefined
}

interface BufferAt {
  readonly buffer: PlacedBuffer
  readonly offset: number
}

function bufferAt(
  place: Place | null,
  repeat: Repeat | undefined,
  round: number,
  buffers: ReadonlyMap<string, PlacedBuffer>,
): BufferAt | undefined {
  if (place?.in === 'memory') return { buffer: buffers.get(place.buffer)!, offset: place.offset }
  const column = place?.in === 'table' ? repeat!.columns[place.column]! : undefined
  return column?.in === 'memory' ? { buffer: buffers.get(column.entries[round]!)!, offset: 0 } : undefined
}

/** The words of an argument, and which part touches each. */
function* elementsOf(kernel: Kernel, name: string, dims: Dims, { buffer, offset }: BufferAt, parts: number) {
  const parameter = kernel.buffers[name]!
  const shape = shapeOf(parameter, dims)
  const rows = shape[0]!
  const cols = shape.slice(1).reduce((product, size) => product * size, 1)
  const stride = parameter.rowStride ? dims[parameter.rowStride]! : cols
  const items = countItems(kernel.split, dims)
  const isOwn = kernel.split.own.includes(name) && ownItems(kernel.split, (dim) => dims[dim]!) !== undefined
  const rowBytes = bytesOf(parameter.dtype, cols)!
  const words = rowBytes / wordBytes
  const piece = parameter.scratch === 'pieces' ? pieceElements(rows, parts) : undefined
  for (let row = 0; row < rows; row++) {
    const start = (buffer.offset + offset + row * bytesOf(parameter.dtype, stride)!) / wordBytes
    for (let i = 0; i < words; i++) {
      const item = Math.floor(((row * words + i) * items) / (rows * words))
      const owner = isOwn && stride > 0 ? partOf(item, items, parts) : anybody
      if (piece === undefined) yield { word: start + i, by: owner }
      else if (row < piece * parts) yield { word: start + i, by: Math.floor(row / piece) }
    }
  }
}

/** Items [items · part / parts, items · (part + 1) / parts) are a part's. */
function partOf(item: number, items: number, parts: number): number {
  for (let part = 0; part < parts; part++) if (item < Math.floor((items * (part + 1)) / parts)) return part
  return parts - 1
}

/** The program without its `which`-th barrier, counted in the order of the text. */
export function withoutBarrier(program: Program, which: number): Program {
  let seen = 0
  const keep = (step: { kind: string }) => step.kind !== 'barrier' || seen++ !== which
  const steps = program.steps.filter(keep)
  // Barriers of a repeat are counted behind those outside.
  return {
    ...program,
    steps: steps.map((step) => (step.kind === 'repeat' ? { ...step, body: step.body.filter(keep) } : step)),
  }
}

/** Barriers in the text of a program. */
export function countBarriers(program: Program): number {
  return program.steps
    .flatMap((step) => (step.kind === 'repeat' ? step.body : [step]))
    .filter(({ kind }) => kind === 'barrier').length
}
