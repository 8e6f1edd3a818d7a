import { kernels } from '../kernels/registry.ts'
import type { Barrier, Call, Column, Place, Program, Repeat, Step } from './program.ts'
import { columnName, commonName, longestRun, type Run } from './repeats.ts'

/** Steps that a run must have in all to be worth a function of its own. */
const leastSteps = 8

/**
 * Folds equal rounds of a program whose buffers have their places and whose threads meet where they must: the layers of a
 * forward and of a backward half, and the updates of their weights. What differs from round to round, whatever it is, becomes
 * a column of the repeat's table; nothing else changes.
 */
export function foldLayers(program: Program): Program {
  return { ...program, steps: foldSteps(program.steps.filter((step) => step.kind !== 'repeat')) }
}

function foldSteps(steps: readonly (Call | Barrier)[]): Step[] {
  const run = longestRun(steps.map(signature))
  if (!run || run.period * run.count < leastSteps || run.period < 2) return [...steps]
  const end = run.start + run.period * run.count
  return [...foldSteps(steps.slice(0, run.start)), foldRun(steps, run), ...foldSteps(steps.slice(end))]
}

/** Equal for steps that differ only in the buffers and weights that they work on, and in whole numbers. */
function signature(step: Call | Barrier): string {
  if (step.kind === 'barrier') return step.kind
  const places = Object.values(step.buffers).map((place) =>
    place === null ? 'none' : place.in === 'memory' ? `memory ${place.offset}` : place.in,
  )
  const fractions = Object.entries(step.attributes).filter(([name]) => !isWhole(step, name))
  return JSON.stringify([step.kernel, step.dims, fractions, step.makes?.length, places])
}

function isWhole({ kernel }: Call, attribute: string): boolean {
  return kernels.get(kernel)!.attributes[attribute] === 'int64_t'
}

function foldRun(steps: readonly (Call | Barrier)[], run: Run): Repeat {
  const rounds = Array.from({ length: run.count }, (_, i) =>
    steps.slice(run.start + i * run.period, run.start + (i + 1) * run.period),
  )
  const columns: Column[] = []
  const known = new Map<string, number>()
  const columnOf = (kind: Column['in'], entries: readonly string[], name?: string): number => {
    const key = `${kind}\n${entries.join('\n')}`
    const found = known.get(key)
    if (found !== undefined) return found
    known.set(key, columns.length)
    columns.push({ name: columnName(name === undefined ? entries : [name], columns), in: kind, entries })
    return columns.length - 1
  }
  const body = rounds[0]!.map((step, at): Call | Barrier => {
    if (step.kind === 'barrier') return step
    const others = rounds.map((round) => round[at] as Call)
    const places = Object.entries(step.buffers).map(([argument, first]): [string, Place | null] => {
      if (first === null || first.in === 'table') return [argument, first]
      const entries = others.map((call) => nameOf(call.buffers[argument]!))
      if (entries.every((entry) => entry === entries[0])) return [argument, first]
      const column = columnOf(first.in, entries)
      const offset = first.in === 'memory' ? first.offset : 0
      return [argument, offset === 0 ? { in: 'table', column } : { in: 'table', column, offset }]
    })
    const attributes = Object.entries(step.attributes).map(([name, first]) => {
      const entries = others.map((call) => String(call.attributes[name]))
      const isSame = entries.every((entry) => entry === entries[0])
      return [name, isSame ? first : { column: columnOf('numbers', entries, name) }]
    })
    const makes = step.makes?.map((_, i) => commonName(others.map((call) => call.makes![i]!)))
    return {
      ...step,
      name: commonName(others.map(({ name }) => name)),
      ...(makes ? { makes } : {}),
      attributes: Object.fromEntries(attributes),
      buffers: Object.fromEntries(places),
    }
  })
  return { kind: 'repeat', count: run.count, columns, body }
}

function nameOf(place: Place): string {
  return place.in === 'weights' ? place.weight : place.in === 'memory' ? place.buffer : String(place.column)
}
