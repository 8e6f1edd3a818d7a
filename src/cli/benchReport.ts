import type { ProbedRate, Resource } from '../build/probe.ts'
import type { MemoryPlan } from '../plan/planMemory.ts'
import type { Program } from '../plan/program.ts'
import type { Configuration, Timing } from './measureRates.ts'
import type { Work } from './span.ts'
import { isQuantised, workOf } from './stepWork.ts'

/** Of several values. */
export interface Spread {
  readonly min: number
  readonly median: number
  readonly max: number
}

/** One configuration of `ck bench`. Rates but `tokensPerSecond` follow from its median. */
export interface BenchRow extends Configuration {
  readonly tokensPerSecond: Spread
  /** Of weights and cache, per token. */
  readonly bytesPerToken: number
  readonly operationsPerToken: number
  readonly bytesPerSecond: number
  readonly operationsPerSecond: number
  /** What this machine could do before each round, with as many threads: medians. Null where nothing was measured. */
  readonly limits: { readonly readBytesPerSecond: ProbedRate | null; readonly operationsPerSecond: ProbedRate | null }
  /** Of what the machine sustained before each round: the median of the rounds. */
  readonly bandwidthFraction: number | null
  readonly peakFraction: number | null
}

/** What the products of a model of these weights are of. */
export function arithmeticOfWeights(plan: MemoryPlan): 'int8' | 'f32' {
  return isQuantised(plan) ? 'int8' : 'f32'
}

/** Rates and fractions of every timing, by the work of the program that it ran. */
export function benchRows(
  timings: readonly Timing[],
  programs: readonly Program[],
  plan: MemoryPlan,
): readonly BenchRow[] {
  const programOf = (kind: Configuration['kind']) => programs.find(({ mode }) => mode === kind)!
  const arithmetic = arithmeticOfWeights(plan)
  return timings.map(({ rounds, kind, threads, depth, tokens }) => {
    const tokensPerSecond = spreadOf(rounds.map(({ seconds }) => tokens / seconds))
    const total: Work = workOf(programOf(kind), plan, { from: depth, tokens })
    const fractionOf = (work: number, resource: Resource) =>
      medianOf(rounds.map(({ seconds, limits }) => limits[resource] && work / seconds / limits[resource].mean))
    const limitOf = (resource: Resource) => medianRate(rounds.map(({ limits }) => limits[resource]))
    const bytesPerToken = total.bytes / tokens
    const operationsPerToken = total.operations / tokens
    return {
      ...{ kind, threads, depth, tokens, tokensPerSecond, bytesPerToken, operationsPerToken },
      bytesPerSecond: bytesPerToken * tokensPerSecond.median,
      operationsPerSecond: operationsPerToken * tokensPerSecond.median,
      limits: { readBytesPerSecond: limitOf('read'), operationsPerSecond: limitOf(arithmetic) },
      bandwidthFraction: fractionOf(total.bytes, 'read'),
      peakFraction: fractionOf(total.operations, arithmetic),
    }
  })
}

function medianOf(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null)
  return known.length === 0 ? null : spreadOf(known).median
}

function medianRate(values: readonly (ProbedRate | null)[]): ProbedRate | null {
  const known = values.filter((value) => value !== null)
  if (known.length === 0) return null
  const of = (key: keyof ProbedRate) => spreadOf(known.map((value) => value[key])).median
  return { best: of('best'), mean: of('mean') }
}

/** The spread of at least one value; of an even number of them the median is between the middle two. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const median = sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
  return { min: sorted[0]!, median, max: sorted.at(-1)! }
}

/** What the fractions of a report are of. */
export interface Measured {
  readonly arithmetic: 'int8' | 'f32'
  /** Why nothing was measured, if so. */
  readonly reason?: string
}

/** The table in Markdown, and what its fractions are of. */
export function printBench(title: string, rows: readonly BenchRow[], measured: Measured): string {
  const head = ['', 'threads', 'depth', 'tokens/s', 'min – max', 'GB/s', 'of read', 'GOP/s', 'of peak']
  const lines = rows.map((row) => [
    `${row.kind} ${row.tokens}`,
    String(row.threads),
    String(row.depth),
    row.tokensPerSecond.median.toFixed(1),
    `${row.tokensPerSecond.min.toFixed(1)} – ${row.tokensPerSecond.max.toFixed(1)}`,
    giga(row.bytesPerSecond),
    percent(row.bandwidthFraction),
    giga(row.operationsPerSecond),
    percent(row.peakFraction),
  ])
  const table = [head, head.map(() => '---'), ...lines].map((cells) => `| ${cells.join(' | ')} |\n`).join('')
  return `${title}\n\n${table}\n${describeMeasured(rows, measured)}\n`
}

/** What the fractions are of, in a sentence. */
export function describeMeasured(rows: readonly BenchRow[], { arithmetic, reason }: Measured): string {
  if (reason !== undefined) return `Limits of this machine: not measured (${reason}).`
  const counts = [...new Set(rows.map(({ threads }) => threads))]
  const each = counts.map((count) => {
    const own = rows.filter(({ threads }) => threads === count).map(({ limits }) => limits)
    const read = describeRate(medianRate(own.map(({ readBytesPerSecond }) => readBytesPerSecond)))
    const peak = describeRate(medianRate(own.map(({ operationsPerSecond }) => operationsPerSecond)))
    return `${read} GB/s read and ${peak} GOP/s in ${arithmetic} with ${count} thread${count === 1 ? '' : 's'}`
  })
  return `Limits of this machine in turns with these: ${each.join('; ')}.`
}

const describeRate = (rate: ProbedRate | null) => (rate ? `${giga(rate.mean)} (at best ${giga(rate.best)})` : '–')
const giga = (value: number) => (value / 1e9).toFixed(1)
/** A fraction, or a dash. */
export const percent = (fraction: number | null) => (fraction === null ? '–' : `${(100 * fraction).toFixed(0)} %`)
