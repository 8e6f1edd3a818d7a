import type { Model } from '../run/session.ts'
import type { Gauge } from './gauge.ts'
import {
  type Configuration,
  type Configurations,
  idsFor,
  listConfigurations,
  logitsFor,
  type Round,
  timeOnce,
} from './measureRates.ts'
import type { PeerContext, PeerModel } from './peers/llamaCpp.ts'

/** A configuration with the times of both engines. */
export interface VersusTiming extends Configuration {
  readonly rounds: readonly (Round & { readonly peerSeconds: number })[]
}

/**
 * Times every configuration in both engines in turns (ours with the machine's limits, theirs, ours, ...), with the same ids,
 * threads and context. A round before the others maps the weights and does not count. Refuses `context_exceeded`, `peer_failed` and `aborted`.
 */
export async function measureVersus(
  model: Model,
  peer: PeerModel,
  configurations: Configurations,
  repeat: number,
  gauge: Gauge,
  signal: AbortSignal,
): Promise<readonly VersusTiming[]> {
  const timings = listConfigurations(configurations)
  const { vocabulary } = model.info
  const ids = idsFor(timings, Math.min(vocabulary, peer.vocabulary))
  const logits = logitsFor(timings, vocabulary)
  const results: VersusTiming[] = []
  for (const threads of configurations.threads) {
    const session = model.session({ threads })
    const bench = { session, ids, vocabulary, logits, signal }
    const other = fromStart(peer.open({ threads, context: model.info.context }), ids)
    try {
      for (const timing of timings.filter((own) => own.threads === threads)) {
        const rounds: VersusTiming['rounds'][number][] = []
        for (let round = 0; round <= repeat; round++) {
          const ours = await timeOnce(bench, timing, gauge)
          const peerSeconds = other.time(timing)
          if (round > 0) rounds.push({ ...ours, peerSeconds })
        }
        results.push({ ...timing, rounds })
      }
    } finally {
      other.close()
      await session.close()
    }
  }
  return results
}

/** A context of the peer that always holds the first of `ids`, so that a depth is filled once and not in every round. */
function fromStart(context: PeerContext, ids: Int32Array) {
  let held = 0
  return {
    /** Seconds of a configuration. */
    time({ kind, depth, tokens }: Configuration): number {
      if (held > depth) context.rewind(depth)
      else if (held < depth) context.append(ids.subarray(held, depth))
      held = depth + tokens
      const own = ids.subarray(depth, held)
      return kind === 'prefill' ? context.append(own) : context.decode(own)
    },
    close: () => context.close(),
  }
}
