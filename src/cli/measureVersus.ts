import type { Model } from '../run/session.ts'
import { type Configurations, idsFor, logitsFor, type Timing, timeOnce, timingsOf } from './measureRates.ts'
import type { PeerContext, PeerModel } from './peers/llamaCpp.ts'

/** A configuration with the seconds of both engines, round by round. */
export interface VersusTiming extends Timing {
  readonly peerSeconds: readonly number[]
}

/**
 * Times every configuration in both engines in turns (ours, theirs, ours, ...), with the same ids, threads and context. A
 * round before the others maps the weights and does not count. Refuses `context_exceeded`, `peer_failed` and `aborted`.
 */
export async function measureVersus(
  model: Model,
  peer: PeerModel,
  configurations: Configurations,
  repeat: number,
  signal: AbortSignal,
): Promise<readonly VersusTiming[]> {
  const timings = timingsOf(configurations)
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
        const seconds: number[] = []
        const peerSeconds: number[] = []
        for (let round = 0; round <= repeat; round++) {
          const pair = [await timeOnce(bench, timing), other.time(timing)] as const
          if (round === 0) continue
          seconds.push(pair[0])
          peerSeconds.push(pair[1])
        }
        results.push({ ...timing, seconds, peerSeconds })
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
    time({ kind, depth, tokens }: Omit<Timing, 'seconds'>): number {
      if (held > depth) context.rewind(depth)
      else if (held < depth) context.append(ids.subarray(held, depth))
      held = depth + tokens
      const own = ids.subarray(depth, held)
      return kind === 'prefill' ? context.append(own) : context.decode(own)
    },
    close: () => context.close(),
  }
}
