import { kernels } from '../kernels/registry.ts'
import type { Buffer, Call, Column, Place, Program, Repeat } from './program.ts'
import { columnName, commonName, longestRun, type Run } from './repeats.ts'

/**
 * Folds the longest run of equal rounds of calls (the layers) into one repeat. Weights and caches that differ per round
 * become columns of its table; buffers that differ per round become one buffer, where a value goes from one round to the
 * next too. A run in which that would overwrite a value still needed is left as it is.
 */
export function foldRepeats(program: Program): Program {
  const calls = program.steps.filter((step) => step.kind === 'call')
  const buffers = new Map(program.buffers.map((buffer) => [buffer.name, buffer]))
  const run = longestRun(calls.map((call) => signature(call, buffers)))
  if (!run) return program
  const folded = foldRun(calls, run, buffers)
  if (!folded) return program
  const renamed = (call: Call): Call => renameBuffers(call, folded.names)
  const before = calls.slice(0, run.start).map(renamed)
  const after = calls.slice(run.start + run.period * run.count).map(renamed)
  return {
    ...program,
    buffers: renamedBuffers(program.buffers, folded.names),
    values: program.values.map((place) => ({ ...place, buffer: folded.names.get(place.buffer) ?? place.buffer })),
    steps: [...before, folded.repeat, ...after],
  }
}

/** Equal for calls that differ only in which weights, states and activations they work on. */
function signature(call: Call, buffers: ReadonlyMap<string, Buffer>): string {
  const places = Object.values(call.buffers).map((place) => {
    if (place === null) return 'none'
    if (place.in !== 'memory') return place.in
    const buffer = buffers.get(place.buffer)!
    return `${buffer.region} ${buffer.dtype} ${buffer.bytes} ${place.offset}`
  })
  return JSON.stringify([call.kernel, call.dims, call.attributes, places])
}

/** One position of a body (call and argument) over all rounds. */
interface Variable {
  readonly call: number
  readonly argument: string
  readonly places: readonly (Place | null)[]
}

function foldRun(
  calls: readonly Call[],
  run: Run,
  buffers: ReadonlyMap<string, Buffer>,
): { repeat: Repeat; names: Map<string, string> } | undefined {
  const round = (i: number) => calls.slice(run.start + i * run.period, run.start + (i + 1) * run.period)
  const rounds = Array.from({ length: run.count }, (_, i) => round(i))
  const variables: Variable[] = rounds[0]!.flatMap((call, at) =>
    Object.keys(call.buffers).map((argument) => ({
      call: at,
      argument,
      places: rounds.map((body) => body[at]!.buffers[argument]!),
    })),
  )
  const names = mergeActivations(variables, buffers)
  if (!names || hasClash(calls, names)) return undefined
  const columns: Column[] = []
  const columnOf = (variable: Variable): number => {
    const entries = variable.places.map((place) =>
      place?.in === 'weights' ? place.weight : (place as { buffer: string }).buffer,
    )
    const kind = variable.places[0]!.in === 'weights' ? 'weights' : 'memory'
    const known = columns.findIndex((column) => column.in === kind && column.entries.join('\n') === entries.join('\n'))
    if (known >= 0) return known
    columns.push({ name: columnName(entries, columns), in: kind, entries })
    return columns.length - 1
  }
  const body = rounds[0]!.map((call, at): Call => {
    const places = Object.keys(call.buffers).map((argument): [string, Place | null] => {
      const variable = variables.find((candidate) => candidate.call === at && candidate.argument === argument)!
      return [argument, foldPlace(variable, names, columnOf)]
    })
    const makes = call.makes?.map((_, i) => commonName(rounds.map((other) => other[at]!.makes![i]!)))
    return {
      ...call,
      name: commonName(rounds.map((other) => other[at]!.name)),
      ...(makes ? { makes } : {}),
      buffers: Object.fromEntries(places),
    }
  })
  return { repeat: { kind: 'repeat', count: run.count, columns, body }, names }
}

function foldPlace(
  variable: Variable,
  names: ReadonlyMap<string, string>,
  columnOf: (v: Variable) => number,
): Place | null {
  const first = variable.places[0]
  if (!first) return null
  const isSame = variable.places.every((place) => JSON.stringify(place) === JSON.stringify(first))
  if (first.in === 'memory' && names.has(first.buffer)) return { ...first, buffer: names.get(first.buffer)! }
  return isSame ? first : { in: 'table', column: columnOf(variable) }
}

/**
 * The name that each activation of the run gets: buffers at one position of the body become one, and with them those that
 * carry a value from round to round. undefined where a position is an activation in some rounds only.
 */
function mergeActivations(
  variables: readonly Variable[],
  buffers: ReadonlyMap<string, Buffer>,
): Map<string, string> | undefined {
  const parent = new Map<string, string>()
  const find = (name: string): string => {
    const up = parent.get(name)
    return up === undefined ? name : find(up)
  }
  const patterns = new Map<string, string>()
  for (const { places } of variables) {
    const activations = places.map((place) =>
      place?.in === 'memory' && buffers.get(place.buffer)!.region === 'activation' ? place.buffer : undefined,
    )
    const first = activations[0]
    if (activations.some((name) => (name === undefined) !== (first === undefined))) return undefined
    for (const name of activations) {
      if (name === undefined || first === undefined) continue
      if (!patterns.has(name)) patterns.set(name, commonName(activations as string[]))
      const [into, from] = [find(first), find(name)]
      if (into !== from) parent.set(from, into)
    }
  }
  return new Map([...patterns.keys()].map((name) => [name, patterns.get(find(name))!]))
}

/** Whether some call would read a buffer after another that shares its new name has been written over it. */
function hasClash(calls: readonly Call[], names: ReadonlyMap<string, string>): boolean {
  const holder = new Map<string, string>()
  for (const call of calls) {
    const kernel = kernels.get(call.kernel)!
    const writes: string[] = []
    for (const [argument, place] of Object.entries(call.buffers)) {
      if (place?.in !== 'memory') continue
      const name = names.get(place.buffer)
      if (name === undefined) continue
      if (kernel.buffers[argument]!.access === 'write') writes.push(place.buffer)
      else if (holder.get(name) !== place.buffer) return true
    }
    for (const buffer of writes) {
      const name = names.get(buffer)!
      const others = writes.some((other) => other !== buffer && names.get(other) === name)
      if (others) return true
      holder.set(name, buffer)
    }
  }
  return false
}

/** The buffers under their new names, each name once. */
function renamedBuffers(buffers: readonly Buffer[], names: ReadonlyMap<string, string>): Buffer[] {
  const renamed = buffers.map((buffer) => ({ ...buffer, name: names.get(buffer.name) ?? buffer.name }))
  return renamed.filter((buffer, at) => renamed.findIndex(({ name }) => name === buffer.name) === at)
}

function renameBuffers(call: Call, names: ReadonlyMap<string, string>): Call {
  const places = Object.entries(call.buffers).map(([argument, place]): [string, Place | null] => {
    if (place?.in !== 'memory') return [argument, place]
    return [argument, { ...place, buffer: names.get(place.buffer) ?? place.buffer }]
  })
  return { ...call, buffers: Object.fromEntries(places) }
}
