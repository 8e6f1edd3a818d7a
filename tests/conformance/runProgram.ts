import { fail } from '../../src/base/errors.ts'
import type { Kernel } from '../../src/kernels/kernel.ts'
import { kernels } from '../../src/kernels/registry.ts'
import type { MemoryPlan } from '../../src/plan/planMemory.ts'
import { attributeIn, type Call, type Place, type Program, type Repeat } from '../../src/plan/program.ts'
import type { KernelRunner } from './kernelCall.ts'
import { type Dims, placedBytes, writtenBuffers } from './placement.ts'

/** A planned program with the bytes it works on. */
export interface ProgramRun {
  readonly program: Program
  readonly plan: MemoryPlan
  /** The size of each symbol in this step. */
  readonly symbols: Dims
  readonly memory: Uint8Array
  readonly weights: Uint8Array
  /** Parts of every call. Default 1. */
  readonly parts?: number
}

/** Executes a program as model.c would, call by call through the real kernels. Changes `memory`. */
export function runProgram(runner: KernelRunner, run: ProgramRun): void {
  for (const step of run.program.steps) {
    if (step.kind === 'call') runCall(runner, run, step, undefined, 0)
    if (step.kind !== 'repeat') continue
    for (let round = 0; round < step.count; round++)
      for (const inner of step.body) if (inner.kind === 'call') runCall(runner, run, inner, step, round)
  }
}

function runCall(runner: KernelRunner, run: ProgramRun, call: Call, repeat: Repeat | undefined, round: number): void {
  const kernel = kernels.get(call.kernel)!
  const dims = bindDims(call, run.symbols)
  const spans = Object.entries(kernel.buffers).flatMap(([name, parameter]) => {
    const span = placeBytes(run, call.buffers[name]!, repeat, round)
    if (!span) return []
    const bytes = placedBytes(parameter, dims, runner.lanes)
    const piece = span.region.subarray(span.offset, span.offset + bytes)
    if (piece.length !== bytes) fail('program_invalid', { where: call.name, what: `${name} ends behind its region` })
    return [{ name, piece, ...span }]
  })
  const given = new Map(spans.map(({ name, piece }) => [name, piece.slice()]))
  const [result] = runner.run([
    {
      kernel,
      dims,
      attributes: Object.fromEntries(
        Object.entries(call.attributes).map(([name, value]) => [name, attributeIn(value, repeat, round)]),
      ),
      buffers: Object.fromEntries(Object.keys(kernel.buffers).map((name) => [name, given.get(name) ?? null])),
      parts: run.parts ?? 1,
      inPlace: equalPlaces(kernel, spans),
    },
  ])
  const written = writtenBuffers(kernel)
  for (const { name, piece } of spans) if (written.includes(name)) piece.set(result!.buffers[name]!)
}

/** The pairs (written, read) that lie in the same bytes. */
function equalPlaces(kernel: Kernel, spans: readonly { name: string; region: Uint8Array; offset: number }[]) {
  const at = (name: string) => spans.find((span) => span.name === name)
  return kernel.inPlace.filter(([written, read]) => {
    const [to, from] = [at(written), at(read)]
    return to && from && to.region === from.region && to.offset === from.offset
  })
}

function placeBytes(run: ProgramRun, place: Place | null, repeat: Repeat | undefined, round: number) {
  if (place === null) return undefined
  const buffers = run.plan.buffers[run.program.mode]!
  const memory = (name: string, offset: number) => ({
    region: run.memory,
    offset: buffers.find((buffer) => buffer.name === name)!.offset + offset,
  })
  const weight = (name: string) => ({
    region: run.weights,
    offset: run.plan.weights.find((candidate) => candidate.name === name)!.offset,
  })
  if (place.in === 'memory') return memory(place.buffer, place.offset)
  if (place.in === 'weights') return weight(place.weight)
  const column = repeat!.columns[place.column]!
  return column.in === 'memory' ? memory(column.entries[round]!, 0) : weight(column.entries[round]!)
}

/** A call's sizes in numbers. */
export function bindDims(call: Call, symbols: Dims): Dims {
  return Object.fromEntries(
    Object.entries(call.dims).map(([dim, size]) => [dim, typeof size === 'string' ? symbols[size]! : size]),
  )
}
