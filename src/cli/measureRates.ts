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
 * Times every configuration once per round, in turns, so that what disturbs the machine disturbs all alike. One call of the
 * engine is timed: it takes a prompt as blocks, decoded tokens one after the other, with the logits of each. A round before
 * the others maps the weights and does not count. Refuses `context_exceeded` and `aborted`.
 */
export async function measureRates(
  model: Model,
  configurations: Configurations,
  repeat: number,
  signal: AbortSignal,
): Promise<readonly Timing[]> {
  const timings = timingsOf(configurations)
  const { vocabulary } = model.info
  const ids = idsFor(timings, vocabulary)
  const logits = logitsFor(timings, vocabulary)
  const runs = timings.map((timing) => ({
    timing: { ...timing, seconds: [] as number[] },
    // One of its own, so that a depth is filled once and not in every round.
    session: model.session({ threads: timing.threads }),
  }))
  for (let round = 0; round <= repeat; round++) {
    for (const { session, timing } of runs) {
      const taken = await timeOnce({ session, ids, vocabulary, logits, signal }, timing)
      if (round > 0) timing.seconds.push(taken)
    }
  }
  return runs.map(({ timing }) => timing)
}

/** What configurations are timed with. */
export interface Bench {
  /** Whatever it holds must be the first of `ids`. */
  readonly session: Session
  readonly ids: Int32Array
  readonly vocabulary: number
  /** From `logitsFor`. */
  readonly logits: Float32Array
  readonly signal: AbortSignal
}

/** Room for the logits of each configuration, touched, so that no measured call waits for a page of it. */
export function logitsFor(timings: readonly Omit<Timing, 'seconds'>[], vocabulary: number): Float32Array {
  const rows = Math.max(...timings.map(({ kind, tokens }) => (kind === 'decode' ? tokens : 1)))
  return new Float32Array(rows * vocabulary).fill(1)
}

/** Seconds of a configuration: of a prefill from an empty session, or of decoding behind its depth. */
export async function timeOnce(bench: Bench, { kind, depth, tokens }: Omit<Timing, 'seconds'>): Promise<number> {
  const { session, ids, vocabulary, logits, signal } = bench
  const isDecode = kind === 'decode'
  const held = isDecode ? depth : 0
  if (session.position > held) session.rewind(held)
  else if (session.position < held) await session.append(ids.subarray(session.position, held), { signal })
  const rows = isDecode ? tokens : 1
  const into = logits.subarray(0, rows * vocabulary)
  const start = performance.now()
  await session.append(ids.subarray(held, held + tokens), { mode: kind, rows, into, signal })
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
