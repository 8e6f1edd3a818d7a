import type { ProbedRate } from '../build/probe.ts'
import { countBarriers } from '../emit/artifacts.ts'
import { kernels } from '../kernels/registry.ts'
import type { MemoryPlan } from '../plan/planMemory.ts'
import type { Program } from '../plan/program.ts'
import type { Site } from '../plan/sites.ts'
import { arithmeticOf, callWork, stepSpans } from './callWork.ts'
import type { Limits } from './gauge.ts'
import type { OpTiming } from './measureOps.ts'

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

/** Relates what was counted to what the calls have to do. */
export function opTables(
  timings: readonly OpTiming[],
  sites: readonly Site[],
  programs: readonly Program[],
  plan: MemoryPlan,
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
    for (const { site, seconds } of own) {
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
        ...{ calls: site.rounds, seconds: perStep(spent), share: perStep(spent) / secondsPerStep },
        ...{ bytes: perStep(total.bytes), operations: perStep(total.operations) },
        rooflineFraction: site.call ? roofline(total, spent, arithmetic, timing.limits) : null,
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
  { read, [arithmetic]: peak }: Limits,
): number | null {
  if (read === null || peak === null || seconds === 0) return null
  return Math.max(bytes / read.mean, operations / peak.mean) / seconds
}

/** The tables in Markdown, and what their fractions are of. `reason`: why no limit was measured, if so. */
export function printOps(title: string, tables: readonly OpTable[], reason?: string): string {
  const explained =
    reason === undefined
      ? 'The roofline is the larger share of bandwidth and peak, as sustained just before; bytes count inputs and outputs, also those in caches.'
      : `Limits of this machine: not measured (${reason}).`
  return `${title}\n\n${tables.map(printOpTable).join('\n')}\n${explained}\n`
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
    `${barriers.step} barriers per step${perLayer}, waits ${percent(waitSecondsPerStep / secondsPerStep)} of the time.`,
    `${describeLimits(table.limits)}\n\n`,
    rows.map((cells) => `| ${cells.join(' | ')} |\n`).join(''),
  ].join('')
}

/** Millions per step, and thousands of millions per second. */
function rates(amount: number, seconds: number): readonly [string, string] {
  if (amount === 0 || seconds === 0) return ['', '']
  return [number(amount / 1e6, amount < 1e7 ? 2 : 0), number(amount / seconds / 1e9, 1)]
}

function describeLimits({ read, int8, f32 }: Limits): string {
  if (read === null || int8 === null || f32 === null) return ''
  const giga = ({ mean, best }: ProbedRate) => `${number(mean / 1e9, 1)} (at best ${number(best / 1e9, 1)})`
  return ` This machine just before: ${giga(read)} GB/s read, ${giga(int8)} GOP/s in int8, ${giga(f32)} in f32.`
}

const number = (value: number, digits: number) => value.toFixed(digits)
const milli = (seconds: number) => number(1000 * seconds, 3)
const percent = (fraction: number | null) => (fraction === null ? '–' : `${number(100 * fraction, 1)} %`)
