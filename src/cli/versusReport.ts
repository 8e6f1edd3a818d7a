import type { MemoryPlan } from '../plan/planMemory.ts'
import type { Program } from '../plan/program.ts'
import {
  type BenchRow,
  benchRows,
  describeMeasured,
  type Measured,
  percent,
  type Spread,
  spreadOf,
} from './benchReport.ts'
import type { VersusTiming } from './measureVersus.ts'

/** One configuration of `ck bench --vs`. */
export interface VersusRow extends BenchRow {
  readonly versus: {
    readonly tokensPerSecond: Spread
    /** Our rate over theirs, of the two that were measured one after the other. */
    readonly ratio: Spread
  }
}

/** Rates of both engines and their ratios pair by pair. */
export function versusRows(
  timings: readonly VersusTiming[],
  programs: readonly Program[],
  plan: MemoryPlan,
): readonly VersusRow[] {
  return benchRows(timings, programs, plan).map((row, i) => {
    const { rounds, tokens } = timings[i]!
    const tokensPerSecond = spreadOf(rounds.map(({ peerSeconds }) => tokens / peerSeconds))
    const ratio = spreadOf(rounds.map(({ seconds, peerSeconds }) => peerSeconds / seconds))
    return { ...row, versus: { tokensPerSecond, ratio } }
  })
}

/** The table in Markdown. */
export function printVersus(title: string, peer: string, rows: readonly VersusRow[], measured: Measured): string {
  const head = ['', 'threads', 'depth', 'ours, tokens/s', `${peer}`, 'ratio', 'min – max', 'of read', 'of peak']
  const lines = rows.map((row) => [
    `${row.kind} ${row.tokens}`,
    String(row.threads),
    String(row.depth),
    row.tokensPerSecond.median.toFixed(1),
    row.versus.tokensPerSecond.median.toFixed(1),
    row.versus.ratio.median.toFixed(2),
    `${row.versus.ratio.min.toFixed(2)} – ${row.versus.ratio.max.toFixed(2)}`,
    percent(row.bandwidthFraction),
    percent(row.peakFraction),
  ])
  const table = [head, head.map(() => '---'), ...lines].map((cells) => `| ${cells.join(' | ')} |\n`).join('')
  return `${title}, in turns with ${peer}\n\n${table}\n${describeMeasured(rows, measured)}\n`
}
