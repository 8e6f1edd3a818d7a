import type { Diagnosis, Rates } from '../build/doctor.ts'
import { countBarriers } from '../emit/artifacts.ts'
import { kernels } from '../kernels/registry.ts'
import type { MemoryPlan } from '../plan/planMemory.ts'
import type { Program } from '../plan/program.ts'
import type { Site } from '../plan/sites.ts'
import { limitOf } from './benchReport.ts'
import { arithmeticOf, callWork, stepSpans } from './callWork.ts'
import type { OpTiming } from './measureOps.ts'

/** What this machine can do at most; null where nothing was measured, and `reason` says why. */
export interface OpLimits {
  readonly cores: number
  readonly readBytesPerSecond: Rates | null
  readonly int8PerSecond: Rates | null
  readonly f32PerSecond: Rates | null
  readonly reason?: string
}

/** One kernel call of a step, with all its rounds. Bytes, operations and seconds are of one step. */
export interface OpRow {
  /** What the call makes, in the model's own names; empty for the end of the step, which only waits. */
  readonly value: string
  readonly kernel: string
  readonly layer: string
  readonly calls: number
  /** Mean over the threads. */
  readonly seconds: number
  /** Of the step. */
  readonly share: number
  readonly bytes: number
  readonly operations: number
  readonly arithmetic: 'int8' | 'f32'
  /** The larger of the shares of bandwidth and of peak arithmetic; null where no limit is known or nothing is to do. */
  readonly rooflineFraction: number | null
  /** Waiting of the threads for each other before the call, mean over the threads; not part of `seconds`. */
  readonly waitSeconds: number
}

/** One configuration: its calls in the order of the step. */
export interface OpTable extends Omit<OpTiming, 'sites'> {
  readonly secondsPerStep: number
  readonly waitSecondsPerStep: number
  readonly barriers: { readonly step: number; readonly perLayer: readonly number[] }
  readonly ops: readonly OpRow[]
}

/** The limits in a diagnosis. */
export function opLimitsOf({ machine: { cores }, measured }: Diagnosis): OpLimits {
  if (measured.status === 'done') {
    const { readBytesPerSecond, int8PerSecond, f32PerSecond } = measured
    return { cores, readBytesPerSecond, int8PerSecond, f32PerSecond }
  }
  return { cores, readBytesPerSecond: null, int8PerSecond: null, f32PerSecond: null, reason: measured.reason }
}

/** Relates what was counted to what the calls have to do. */
export function opTables(
  timings: readonly OpTiming[],
  sites: readonly Site[],
  programs: readonly Program[],
  plan: MemoryPlan,
  limits: OpLimits,
): readonly OpTable[] {
  return timings.map(({ sites: counted, ...timing }) => {
    const program = programs.find(({ mode }) => mode === timing.kind)!
    const own = sites
      .map((site, number) => ({ site, ...counted[number]! }))
      .filter(({ site }) => site.mode === timing.kind)
    const perStep = (value: number) => value / timing.steps
    const secondsPerStep = perStep(own.find(({ site }) => site.kind === 'step')!.seconds)
    const spans = stepSpans(program, { from: timing.depth, tokens: timing.tokens })
    const ops: OpRow[] = []
    let waited = 0
    for (const { site, calls, seconds } of own) {
      if (site.kind === 'wait') waited += seconds
      if (site.kind === 'wait' && site.value !== '') continue
      if (site.kind === 'step') continue
      const total = spans.reduce(
        (sum, span) => {
          const { bytes, operations } = site.call
            ? callWork(site.call, site.repeat, plan, program, span)
            : { bytes: 0, operations: 0 }
          return { bytes: sum.bytes + site.rounds * bytes, operations: sum.operations + site.rounds * operations }
        },
        { bytes: 0, operations: 0 },
      )
      const arithmetic = site.call ? arithmeticOf(kernels.get(site.call.kernel)!) : 'f32'
      const spent = site.call ? seconds : 0
      ops.push({
        ...{ value: site.value, kernel: site.call?.kernel ?? '', layer: site.layer, arithmetic },
        ...{ calls: perStep(calls), seconds: perStep(spent), share: perStep(spent) / secondsPerStep },
        ...{ bytes: perStep(total.bytes), operations: perStep(total.operations) },
        rooflineFraction: site.call ? roofline(total, spent, arithmetic, timing.threads, limits) : null,
        waitSeconds: perStep(waited),
      })
      waited = 0
    }
    const waitSecondsPerStep = ops.reduce((sum, { waitSeconds }) => sum + waitSeconds, 0)
    return { ...timing, secondsPerStep, waitSecondsPerStep, barriers: countBarriers(program), ops }
  })
}

function roofline(
  { bytes, operations }: { readonly bytes: number; readonly operations: number },
  seconds: number,
  arithmetic: OpRow['arithmetic'],
  threads: number,
  { cores, readBytesPerSecond, int8PerSecond, f32PerSecond }: OpLimits,
): number | null {
  const read = limitOf(readBytesPerSecond, threads, cores)
  const peak = limitOf({ int8: int8PerSecond, f32: f32PerSecond }[arithmetic], threads, cores)
  if (read === null || peak === null || seconds === 0) return null
  return Math.max(bytes / read, operations / peak) / seconds
}

/** The tables in Markdown, and what their fractions are of. */
export function printOps(title: string, tables: readonly OpTable[], limits: OpLimits): string {
  return `${title}\n\n${tables.map(printOpTable).join('\n')}\n${describeOpLimits(limits)}\n`
}

const head = [
  ...['call', 'kernel', 'calls', 'ms', 'share', 'MB', 'GB/s', 'MOP', 'GOP/s', 'of roofline', 'wait before, ms'],
] as const

function printOpTable(table: OpTable): string {
  const { kind, tokens, threads, depth, steps, secondsPerStep, waitSecondsPerStep, barriers, ops } = table
  const lines = ops.map((op) => [
    op.value || 'end of step',
    op.kernel,
    op.kernel ? number(op.calls, 0) : '',
    ...(op.kernel ? [milli(op.seconds), percent(op.share)] : ['', '']),
    ...rates(op.bytes, op.seconds),
    ...rates(op.operations, op.seconds),
    percent(op.rooflineFraction),
    milli(op.waitSeconds),
  ])
  const calls = ops.reduce((sum, op) => sum + op.calls, 0)
  const busy = ops.reduce((sum, op) => sum + op.seconds, 0)
  const bytes = ops.reduce((sum, op) => sum + op.bytes, 0)
  const operations = ops.reduce((sum, op) => sum + op.operations, 0)
  const total = [
    ...['all', '', number(calls, 0), milli(busy), percent(busy / secondsPerStep)],
    ...[...rates(bytes, busy), ...rates(operations, busy), '', milli(waitSecondsPerStep)],
  ]
  const rows = [head, head.map((_, i) => (i < 2 ? '---' : '---:')), ...lines, total]
  const perLayer = barriers.perLayer.length > 0 ? ` (${barriers.perLayer.join(' and ')} per layer)` : ''
  return [
    `${kind} ${tokens}, ${threads} thread${threads === 1 ? '' : 's'}, depth ${depth}: `,
    `${milli(secondsPerStep)} ms per step, the median of the rounds, each of ${steps} step${steps === 1 ? '' : 's'}; `,
    `${barriers.step} barriers per step${perLayer}, waits ${percent(waitSecondsPerStep / secondsPerStep)} of the time.\n\n`,
    rows.map((cells) => `| ${cells.join(' | ')} |\n`).join(''),
  ].join('')
}

/** Millions per step, and thousands of millions per second. */
function rates(amount: number, seconds: number): readonly [string, string] {
  if (amount === 0 || seconds === 0) return ['', '']
  return [number(amount / 1e6, amount < 1e7 ? 2 : 0), number(amount / seconds / 1e9, 1)]
}

function describeOpLimits({ cores, readBytesPerSecond, int8PerSecond, f32PerSecond, reason }: OpLimits): string {
  if (!readBytesPerSecond || !int8PerSecond || !f32PerSecond) {
    return `Limits of this machine: not measured (${reason ?? ''}).`
  }
  const of = ({ one, all }: Rates) => `${number(one / 1e9, 1)} with 1 thread and ${number(all / 1e9, 1)} with ${cores}`
  return (
    `Limits of this machine in the same run: ${of(readBytesPerSecond)} GB/s read, ` +
    `${of(int8PerSecond)} GOP/s in int8, ${of(f32PerSecond)} in f32. ` +
    'The roofline is the larger share of bandwidth and peak; bytes count inputs and outputs, also those in caches.'
  )
}

const number = (value: number, digits: number) => value.toFixed(digits)
const milli = (seconds: number) => number(1000 * seconds, 3)
const percent = (fraction: number | null) => (fraction === null ? '–' : `${number(100 * fraction, 1)} %`)
