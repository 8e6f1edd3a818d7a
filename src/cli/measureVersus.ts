import type { Model } from '../run/session.ts'
import { type Configurations, drawIds, type Timing, timeDecode, timePrefill } from './measureRates.ts'
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
  const { promptTokens, decodeTokens, threads } = configurations
  const depths = configurations.depths.toSorted((a, b) => a - b)
  const context = Math.max(promptTokens, depths.at(-1)! + decodeTokens)
  const ids = drawIds(context, Math.min(model.info.vocabulary, peer.vocabulary))
  const timings: VersusTiming[] = []
  for (const count of threads) {
    const session = model.session({ threads: count })
    const other = peer.open({ threads: count, context: model.info.context })
    const inTurns = async (
      timing: Omit<Timing, 'seconds' | 'threads'>,
      ours: () => Promise<number>,
      theirs: () => number,
    ) => {
      const seconds: number[] = []
      const peerSeconds: number[] = []
      for (let round = 0; round <= repeat; round++) {
        const [own, their] = [await ours(), theirs()]
        if (round === 0) continue
        seconds.push(own)
        peerSeconds.push(their)
      }
      timings.push({ ...timing, threads: count, seconds, peerSeconds })
    }
    try {
      const prompt = ids.subarray(0, promptTokens)
      const prefill = { kind: 'prefill', depth: 0, tokens: promptTokens } as const
      await inTurns(
        prefill,
        () => timePrefill(session, prompt, signal),
        () => timePeerPrefill(other, prompt),
      )
      let held = promptTokens
      for (const depth of depths) {
        // What both hold are the first of `ids`, so that only the tokens beyond them are fed.
        if (held < depth) other.append(ids.subarray(held, depth))
        held = depth
        const decode = { kind: 'decode', depth, tokens: decodeTokens } as const
        await inTurns(
          decode,
          () => timeDecode(session, ids, depth, decodeTokens, signal),
          () => timePeerDecode(other, ids, depth, decodeTokens),
        )
        other.rewind(depth)
      }
    } finally {
      other.close()
      await session.close()
    }
  }
  return timings
}

function timePeerPrefill(other: PeerContext, prompt: Int32Array): number {
  other.rewind(0)
  return other.append(prompt)
}

function timePeerDecode(other: PeerContext, ids: Int32Array, depth: number, tokens: number): number {
  other.rewind(depth)
  return other.decode(ids.subarray(depth, depth + tokens))
}
