import type { Model, Session } from '../run/session.ts'

/** What is measured in every round. */
export interface Configurations {
  readonly promptTokens: number
  readonly decodeTokens: number
  /** Tokens held before the decoded ones. */
  readonly depths: readonly number[]
  readonly threads: readonly number[]
}

/** One configuration with the seconds that each round took. `depth` is 0 for a prefill. */
export interface Timing {
  readonly kind: 'prefill' | 'decode'
  readonly threads: number
  readonly depth: number
  readonly tokens: number
  readonly seconds: readonly number[]
}

/**
 * Times every configuration once per round, in turns, so that what disturbs the machine disturbs all alike. A round before
 * the others maps the weights and does not count. Refuses `context_exceeded` and `aborted`.
 */
export async function measureRates(
  model: Model,
  configurations: Configurations,
  repeat: number,
  signal: AbortSignal,
): Promise<readonly Timing[]> {
  const { promptTokens, decodeTokens, threads } = configurations
  const depths = configurations.depths.toSorted((a, b) => a - b)
  const ids = drawIds(Math.max(promptTokens, depths.at(-1)! + decodeTokens), model.info.vocabulary)
  const runs = threads.flatMap((count) => {
    const session = model.session({ threads: count })
    const prefill = {
      kind: 'prefill' as const,
      threads: count,
      depth: 0,
      tokens: promptTokens,
      seconds: [] as number[],
    }
    const decodes = depths.map((depth) => ({
      ...{ kind: 'decode' as const, threads: count, depth, tokens: decodeTokens, seconds: [] as number[] },
    }))
    return [prefill, ...decodes].map((timing) => ({ session, timing }))
  })
  for (let round = 0; round <= repeat; round++) {
    for (const { session, timing } of runs) {
      const { kind, depth, tokens, seconds } = timing
      const taken =
        kind === 'prefill'
          ? await timePrefill(session, ids.subarray(0, tokens), signal)
          : await timeDecode(session, ids, depth, tokens, signal)
      if (round > 0) seconds.push(taken)
    }
  }
  return runs.map(({ timing }) => timing)
}

/** Seconds of a prefill from an empty session. */
export async function timePrefill(session: Session, ids: Int32Array, signal: AbortSignal): Promise<number> {
  const start = performance.now()
  await session.logits(ids, { rows: 1, signal })
  return (performance.now() - start) / 1000
}

/** Seconds of decoding `tokens` ids behind `depth`. Whatever the session holds must be the first of `ids`. */
export async function timeDecode(
  session: Session,
  ids: Int32Array,
  depth: number,
  tokens: number,
  signal: AbortSignal,
): Promise<number> {
  const { position } = session
  if (position > depth) session.rewind(depth)
  else if (position < depth) await session.append(ids.subarray(position, depth), { signal })
  const start = performance.now()
  for (let at = depth; at < depth + tokens; at++) {
    await session.append(ids.subarray(at, at + 1), { mode: 'decode', rows: 1, signal })
  }
  return (performance.now() - start) / 1000
}

/** Ids below `vocabulary`, the same in every run (multiplier and increment: Numerical Recipes). */
export function drawIds(count: number, vocabulary: number): Int32Array {
  let state = 12345
  return Int32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * vocabulary)
  })
}
