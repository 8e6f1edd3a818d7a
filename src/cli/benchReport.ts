import type { Diagnosis, Rates } from '../build/doctor.ts'
import type { MemoryPlan } from '../plan/planMemory.ts'
import type { Program } from '../plan/program.ts'
import type { Timing } from './measureRates.ts'
import type { Work } from './span.ts'
import { isQuantised, workOf } from './stepWork.ts'

/** Of several values. */
export interface Spread {
  readonly min: number
  readonly median: number
  readonly max: number
}

/** One configuration of `ck bench`. Rates but `tokensPerSecond` follow from its median. */
export interface BenchRow extends Omit<Timing, 'seconds'> {
  readonly tokensPerSecond: Spread
  /** Of weights and cache, per token. */
  readonly bytesPerToken: number
  readonly operationsPerToken: number
  readonly bytesPerSecond: number
  readonly operationsPerSecond: number
  /** Of what `limits` says for as many threads; null where nothing was measured. */
  readonly bandwidthFraction: number | null
  readonly peakFraction: number | null
}

/** What this machine can do at most, measured in the same run; plain JSON. */
export interface Limits {
  readonly cores: number
  readonly readBytesPerSecond: Rates | null
  /** Of `arithmetic`. */
  readonly operationsPerSecond: Rates | null
  /** What the model's products are of. */
  readonly arithmetic: 'int8' | 'f32'
  /** Why nothing was measured. */
  readonly reason?: string
}

/** The limits that a model of these weights has. */
export function limitsOf({ machine, measured }: Diagnosis, plan: MemoryPlan): Limits {
  const arithmetic = isQuantised(plan) ? 'int8' : 'f32'
  const { cores } = machine
  if (measured.status === 'absent') {
    return { cores, readBytesPerSecond: null, operationsPerSecond: null, arithmetic, reason: measured.reason }
  }
  const { readBytesPerSecond, int8PerSecond, f32PerSecond } = measured
  return {
    cores,
    readBytesPerSecond,
    operationsPerSecond: { int8: int8PerSecond, f32: f32PerSecond }[arithmetic],
    arithmetic,
  }
}

/** Rates and fractions of every timing, by the work of the program that it ran. */
export function benchRows(
  timings: readonly Timing[],
  programs: readonly Program[],
  plan: MemoryPlan,
  limits: Limits,
): readonly BenchRow[] {
  const programOf = (kind: Timing['kind']) => programs.find(({ mode }) => mode === kind)!
  return timings.map(({ seconds, ...timing }) => {
    const { kind, depth, tokens, threads } = timing
    const tokensPerSecond = spreadOf(seconds.map((value) => tokens / value))
    const total: Work = workOf(programOf(kind), plan, { from: depth, tokens })
    const bytesPerToken = total.bytes / tokens
    const operationsPerToken = total.operations / tokens
    const bytesPerSecond = bytesPerToken * tokensPerSecond.median
    const operationsPerSecond = operationsPerToken * tokensPerSecond.median
    return {
      ...timing,
      ...{ tokensPerSecond, bytesPerToken, operationsPerToken, bytesPerSecond, operationsPerSecond },
      bandwidthFraction: fractionOf(bytesPerSecond, limits.readBytesPerSecond, threads, limits.cores),
      peakFraction: fractionOf(operationsPerSecond, limits.operationsPerSecond, threads, limits.cores),
    }
  })
}

function fractionOf(rate: number, rates: Rates | null, threads: number, cores: number): number | null {
  const limit = limitOf(rates, threads, cores)
  return limit === null ? null : rate / limit
}

/** The limit of so many threads: the doctor measures one, and as many as there are cores. */
export function limitOf(rates: Rates | null, threads: number, cores: number): number | null {
  if (rates === null) return null
  if (threads === cores) return rates.all
  return threads === 1 ? rates.one : null
}

/** The spread of at least one value; of an even number of them the median is between the middle two. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  const median = sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
  return { min: sorted[0]!, median, max: sorted.at(-1)! }
}

/** The table in Markdown, and what its fractions are of. */
export function printBench(title: string, rows: readonly BenchRow[], limits: Limits): string {
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
  return `${title}\n\n${table}\n${describeLimits(limits)}\n`
}

/** What the fractions are of, in a sentence. */
export function describeLimits({
  cores,
  readBytesPerSecond: read,
  operationsPerSecond: peak,
  arithmetic,
  reason,
}: Limits): string {
  if (read === null || peak === null) return `Limits of this machine: not measured (${reason ?? ''}).`
  const of = (rates: Rates) => `${giga(rates.one)} with 1 thread and ${giga(rates.all)} with ${cores}`
  return `Limits of this machine in the same run: ${of(read)} GB/s read, ${of(peak)} GOP/s in ${arithmetic}.`
}

const giga = (value: number) => (value / 1e9).toFixed(1)
/** A fraction, or a dash. */
export const percent = (fraction: number | null) => (fraction === null ? '–' : `${(100 * fraction).toFixed(0)} %`)
