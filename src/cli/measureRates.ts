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

/** The configurations without their times: of each number of threads the prefill, then the depths from the least on. */
export function timingsOf(configurations: Configurations): readonly Omit<Timing, 'seconds'>[] {
  const { promptTokens, decodeTokens, depths, threads } = configurations
  return threads.flatMap((count) => [
    { kind: 'prefill' as const, threads: count, depth: 0, tokens: promptTokens },
    ...depths
      .toSorted((a, b) => a - b)
      .map((depth) => ({ kind: 'decode' as const, threads: count, depth, tokens: decodeTokens })),
  ])
}

/** Ids for all of them, below `vocabulary`. */
export function idsFor(timings: readonly Omit<Timing, 'seconds'>[], vocabulary: number): Int32Array {
  return drawIds(Math.max(...timings.map(({ depth, tokens }) => depth + tokens)), vocabulary)
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
  const timings = timingsOf(configurations)
  const ids = idsFor(timings, model.info.vocabulary)
  const runs = timings.map((timing) => ({
    timing: { ...timing, seconds: [] as number[] },
    // One of its own, so that a depth is filled once and not in every round.
    session: model.session({ threads: timing.threads }),
  }))
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
