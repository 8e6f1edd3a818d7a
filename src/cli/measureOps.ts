import type { Site } from '../plan/sites.ts'
import type { Model, Session } from '../run/session.ts'
import { type Gauge, type Limits, noGauge } from './gauge.ts'
import {
  type Configuration,
  type Configurations,
  idsFor,
  listConfigurations,
  logitsFor,
  timeOnce,
} from './measureRates.ts'

/** What the sites of one mode have cost in one round of a configuration, summed over its steps. */
export interface OpTiming extends Configuration {
  /** What the machine could do just before. */
  readonly limits: Limits
  readonly steps: number
  /** Of every site of the model; those of other modes are without meaning. */
  readonly sites: readonly {
    /** Mean over the threads, so that calls and waits add up to the steps' time. */
    readonly seconds: number
  }[]
}

/**
 * Runs every configuration of a profile build once per round, in turns, and gives of each the round whose steps took the
 * median time. A round before the others maps the weights and does not count. Refuses as measureRates does, and
 * `engine_failed` where the model counts nothing.
 */
export async function measureOps(
  model: Model,
  sites: readonly Site[],
  configurations: Configurations,
  repeat: number,
  gauge: Gauge,
  signal: AbortSignal,
): Promise<readonly OpTiming[]> {
  const timings = listConfigurations(configurations)
  const { vocabulary } = model.info
  const ids = idsFor(timings, vocabulary)
  const logits = logitsFor(timings, vocabulary)
  const runs = timings.map((timing) => ({
    timing,
    session: model.session({ threads: timing.threads }),
    rounds: [] as OpTiming[],
  }))
  for (let round = 0; round <= repeat; round++) {
    for (const { session, timing, rounds } of runs) {
      const bench = { session, ids, vocabulary, logits, signal }
      // What is held before, and the first decoded token, do not count.
      if (timing.kind === 'decode') await timeOnce(bench, { ...timing, tokens: 1 }, noGauge)
      session.resetProfile()
      const { limits } = await timeOnce(bench, timing, gauge)
      if (round > 0) rounds.push({ ...readRound(session, sites, timing), limits })
    }
  }
  return runs.map(({ rounds, timing }) => {
    const whole = stepSite(sites, timing.kind)
    return rounds.toSorted((a, b) => a.sites[whole]!.seconds - b.sites[whole]!.seconds)[(rounds.length - 1) >> 1]!
  })
}

function stepSite(sites: readonly Site[], kind: Configuration['kind']): number {
  return sites.findIndex((site) => site.mode === kind && site.kind === 'step')
}

function readRound(session: Session, sites: readonly Site[], timing: Configuration): Omit<OpTiming, 'limits'> {
  const { counters } = session.profile()
  const seconds = (site: number) =>
    counters.reduce((sum, thread) => sum + thread[site]!.nanoseconds, 0) / counters.length / 1e9
  return {
    ...timing,
    steps: counters[0]![stepSite(sites, timing.kind)]!.calls,
    sites: sites.map((_, site) => ({ seconds: seconds(site) })),
  }
}
