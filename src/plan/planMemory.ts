import { fail } from '../base/errors.ts'
import { kernels } from '../kernels/registry.ts'
import type { Buffer, Call, PackedWeight, Place, Program, Repeat } from './program.ts'

/** A buffer with its bytes: `offset` from the start of the context's memory, alive from step `first` to step `last`. */
export interface PlacedBuffer extends Buffer {
  readonly offset: number
  readonly first: number
  readonly last: number
  /** Of a debug build: bytes behind the buffer that nothing may write while it is alive. `offset`: as of the buffer. */
  readonly guard?: { readonly offset: number; readonly bytes: number }
}

export interface PlanOptions {
  /** Whether a guard, a line of bytes and what fills the line before it, lies behind every buffer; default: none does. */
  readonly guards?: boolean
}

export interface PlacedWeight extends PackedWeight {
  /** From the start of the weights region. */
  readonly offset: number
}

/** Where everything lies: shared by the programs of one model. */
export interface MemoryPlan {
  readonly weights: readonly PlacedWeight[]
  readonly weightsBytes: number
  readonly stateBytes: number
  readonly memoryBytes: number
  /** By program mode. */
  readonly buffers: { readonly [mode: string]: readonly PlacedBuffer[] }
}

/** Every buffer and weight begins at a multiple of it: a cache line, and the widest vector. */
export const lineBytes = 64
const pageBytes = 4096

/**
 * Gives every weight and buffer its offset. States, inputs and outputs have bytes of their own and lie at one place in all
 * programs; activations whose lives do not meet share bytes, and the programs of different modes share theirs.
 */
export function planMemory(programs: readonly Program[], { guards = false }: PlanOptions = {}): MemoryPlan {
  const { weights, bytes: weightsBytes } = placeWeights(programs)
  const fixed = new Map<string, Span>()
  const guardBytes = guards ? lineBytes : 0
  const isTrace = programs.some(({ mode }) => mode === 'trace')
  let end = 0
  let stateBytes = 0
  for (const region of ['state', 'input', 'output'] as const) {
    for (const program of programs) {
      for (const buffer of program.buffers) {
        if (buffer.region !== region || fixed.has(buffer.name)) continue
        const largest = Math.max(...programs.map((p) => p.buffers.find(({ name }) => name === buffer.name)?.bytes ?? 0))
        fixed.set(buffer.name, { offset: end, bytes: largest })
        end = roundUp(end + largest, lineBytes) + guardBytes
      }
    }
    if (region === 'state') {
      end = roundUp(end, pageBytes)
      stateBytes = end
    }
  }
  const plans = programs.map((program) => placeActivations(program, { base: end, guardBytes, apart: isTrace, fixed }))
  return {
    weights,
    weightsBytes,
    stateBytes,
    memoryBytes: roundUp(Math.max(end, ...plans.map((plan) => plan.end)), pageBytes),
    buffers: Object.fromEntries(programs.map((program, i) => [program.mode, plans[i]!.buffers])),
  }
}

function placeWeights(programs: readonly Program[]): { weights: PlacedWeight[]; bytes: number } {
  const [first, ...others] = programs
  const names = first!.weights.map(({ name }) => name).join()
  if (others.some((other) => other.weights.map(({ name }) => name).join() !== names)) {
    fail('program_invalid', { where: others[0]!.mode, what: 'reads other weights than the programs beside it' })
  }
  let end = 0
  const weights = first!.weights.map((weight) => {
    const offset = roundUp(end, weight.bytes >= pageBytes ? pageBytes : lineBytes)
    end = offset + weight.bytes
    return { ...weight, offset }
  })
  return { weights, bytes: roundUp(end, pageBytes) }
}

interface Span {
  readonly offset: number
  readonly bytes: number
}

interface Placing {
  /** Where activations begin. */
  readonly base: number
  readonly guardBytes: number
  /** Whether no two share bytes. */
  readonly apart: boolean
  readonly fixed: ReadonlyMap<string, Span>
}

/** First fit, largest first and of equal ones the earliest: each buffer takes the lowest offset that no buffer alive at the same time holds. */
function placeActivations(
  program: Program,
  { base, guardBytes, apart, fixed }: Placing,
): { buffers: PlacedBuffer[]; end: number } {
  const lives = lifetimes(program)
  const rests = restsOf(program)
  const placed: PlacedBuffer[] = []
  const endOf = ({ offset, bytes }: Span) => roundUp(offset + bytes, lineBytes) + guardBytes
  let end = base
  const activations = program.buffers.filter(({ region }) => region === 'activation')
  const living = activations.map((buffer) => {
    const life = lives.get(buffer.name) ?? fail('program_invalid', { where: buffer.name, what: 'is never used' })
    return { ...buffer, ...life }
  })
  for (const buffer of living.toSorted((a, b) => b.bytes - a.bytes || a.first - b.first || compare(a.name, b.name))) {
    const { first, last } = buffer
    const rivals = placed.filter((other) => apart || (other.first <= rests[last]! && first <= rests[other.last]!))
    let offset = base
    for (const rival of rivals.toSorted((a, b) => a.offset - b.offset)) {
      if (endOf({ ...buffer, offset }) <= rival.offset) break
      offset = Math.max(offset, endOf(rival))
    }
    placed.push({ ...buffer, offset })
    end = Math.max(end, endOf({ ...buffer, offset }))
  }
  const all = program.buffers.map((buffer): PlacedBuffer => {
    const span = fixed.get(buffer.name)
    const whole = span
      ? { ...buffer, offset: span.offset, ...(lives.get(buffer.name) ?? { first: 0, last: 0 }) }
      : placed.find(({ name }) => name === buffer.name)!
    if (guardBytes === 0) return whole
    // Another program may have more of a buffer that all share.
    const room = span ?? whole
    const offset = room.offset + room.bytes
    return { ...whole, guard: { offset, bytes: endOf(room) - offset } }
  })
  return { buffers: all, end }
}

interface Life {
  readonly first: number
  readonly last: number
}

/**
 * By the number of the call that touches bytes last: that of the call until which they must rest, since threads may still be
 * there. The last call before a barrier; where there are none yet, the next one, so that threads can go on to it.
 */
function restsOf({ steps }: Program): number[] {
  const isGathered = steps.some(({ kind }) => kind === 'barrier')
  const rests: number[] = []
  let begin = 0
  for (const step of steps) {
    if (step.kind === 'barrier') begin = rests.length
    else for (const _ of stepCalls(step)) rests.push(rests.length + 1)
    if (isGathered) rests.fill(rests.length - 1, begin)
  }
  return rests
}

/**
 * First and last step that touches each buffer; the calls of a repeat count once. What enters or leaves a repeat, or goes
 * from round to round, is alive through all of it.
 */
export function lifetimes(program: Program): Map<string, Life> {
  const lives = new Map<string, Life>()
  const widen = (name: string, first: number, last: number) => {
    const life = lives.get(name)
    lives.set(name, { first: Math.min(first, life?.first ?? first), last: Math.max(last, life?.last ?? last) })
  }
  let time = 0
  const spans: { first: number; last: number; carried: Set<string> }[] = []
  for (const step of program.steps) {
    if (step.kind === 'barrier') continue
    const calls = stepCalls(step)
    const first = time
    const carried = new Set<string>()
    const written = new Set<string>()
    for (const call of calls) {
      for (const { buffer, access } of buffersOf(call)) {
        if (access !== 'write' && !written.has(buffer)) carried.add(buffer)
        if (access === 'write') written.add(buffer)
        widen(buffer, time, time)
      }
      time++
    }
    if (step.kind === 'repeat') spans.push({ first, last: time - 1, carried })
  }
  for (const { first, last, carried } of spans) {
    for (const [name, life] of [...lives]) {
      const meets = life.first <= last && first <= life.last
      const crosses = life.first < first || life.last > last || carried.has(name)
      if (meets && crosses) widen(name, first, last)
    }
  }
  return lives
}

function stepCalls(step: Call | Repeat): Call[] {
  return step.kind === 'call' ? [step] : step.body.filter((inner) => inner.kind === 'call')
}

/** The buffers of the context's memory that a call touches by name; table entries are states. */
export function buffersOf(call: Call): { buffer: string; access: 'read' | 'write' | 'update'; place: Place }[] {
  const kernel = kernels.get(call.kernel)!
  return Object.entries(call.buffers).flatMap(([argument, place]) =>
    place?.in === 'memory' ? [{ buffer: place.buffer, access: kernel.buffers[argument]!.access, place }] : [],
  )
}

function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
