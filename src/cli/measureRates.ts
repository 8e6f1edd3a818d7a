import type { Model, Session } from '../run/session.ts'
import { type Gauge, joinLimits, type Limits } from './gauge.ts'

/** What is measured in every round. */
export interface Configurations {
  readonly promptTokens: number
  readonly decodeTokens: number
  /** Tokens held before the decoded ones. */
  readonly depths: readonly number[]
  readonly threads: readonly number[]
}

/** What is timed. `depth` is 0 for a prefill. */
export interface Configuration {
  readonly kind: 'prefill' | 'decode'
  readonly threads: number
  readonly depth: number
  readonly tokens: number
}

/** One time that a configuration was run, and what the machine could do just before each of its calls. */
export interface Round {
  readonly seconds: number
  readonly limits: Limits
}

export interface Timing extends Configuration {
  readonly rounds: readonly Round[]
}

/** All of them: of each number of threads the prefill, then the depths from the least on. */
export function listConfigurations(configurations: Configurations): readonly Configuration[] {
  const { promptTokens, decodeTokens, depths, threads } = configurations
  return threads.flatMap((count) => [
    { kind: 'prefill' as const, threads: count, depth: 0, tokens: promptTokens },
    ...depths
      .toSorted((a, b) => a - b)
      .map((depth) => ({ kind: 'decode' as const, threads: count, depth, tokens: decodeTokens })),
  ])
}

/** Ids for all of them, below `vocabulary`. */
export function idsFor(timings: readonly Configuration[], vocabulary: number): Int32Array {
  return drawIds(Math.max(...timings.map(({ depth, tokens }) => depth + tokens)), vocabulary)
}

/**
 * Times every configuration once per round, in turns with the machine's limits, so that what disturbs the machine disturbs all
 * alike. The engine takes a prompt as blocks, and decoded tokens one after the other, up to 16 in a call, with the logits of each. A round before
 * the others maps the weights and does not count. Refuses `context_exceeded` and `aborted`.
 */
export async function measureRates(
  model: Model,
  configurations: Configurations,
  repeat: number,
  gauge: Gauge,
  signal: AbortSignal,
): Promise<readonly Timing[]> {
  const timings = listConfigurations(configurations)
  const { vocabulary } = model.info
  const ids = idsFor(timings, vocabulary)
  const logits = logitsFor(timings, vocabulary)
  const runs = timings.map((timing) => ({
    timing: { ...timing, rounds: [] as Round[] },
    // One of its own, so that a depth is filled once and not in every round.
    session: model.session({ threads: timing.threads }),
  }))
  for (let round = 0; round <= repeat; round++) {
    for (const { session, timing } of runs) {
      const measured = await timeOnce({ session, ids, vocabulary, logits, signal }, timing, gauge)
      if (round > 0) timing.rounds.push(measured)
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

/** Most tokens that one call decodes: enough that it is nothing beside them, few enough that limits are of the same second. */
const mostDecoded = 16

/** Room for the logits of any call, touched, so that no measured call waits for a page of it. */
export function logitsFor(timings: readonly Configuration[], vocabulary: number): Float32Array {
  const rows = timings.map(({ kind, tokens }) => (kind === 'decode' ? Math.min(tokens, mostDecoded) : 1))
  return new Float32Array(Math.max(...rows) * vocabulary).fill(1)
}

/** A round of a configuration: of a prefill from an empty session, or of decoding behind its depth. */
export async function timeOnce(
  bench: Bench,
  { kind, threads, depth, tokens }: Configuration,
  gauge: Gauge,
): Promise<Round> {
  const { session, ids, vocabulary, logits, signal } = bench
  const [begin, most] = kind === 'decode' ? [depth, mostDecoded] : [0, tokens]
  const end = begin + tokens
  // A model with recurrent state goes back only to where it has kept one.
  const from = session.position > begin ? session.restorable(begin) : session.position
  if (session.position > from) session.rewind(from)
  if (from < begin) await session.append(ids.subarray(from, begin), { signal })
  const limits: Limits[] = []
  let milliseconds = 0
  for (let at = begin; at < end; at += most) {
    const some = ids.subarray(at, Math.min(at + most, end))
    const rows = kind === 'decode' ? some.length : 1
    limits.push(await gauge.limits(threads))
    const start = performance.now()
    await session.append(some, { mode: kind, rows, into: logits.subarray(0, rows * vocabulary), signal })
    milliseconds += performance.now() - start
  }
  return { seconds: milliseconds / 1000, limits: joinLimits(limits) }
}

/** Ids below `vocabulary`, the same in every run (multiplier and increment: Numerical Recipes). */
export function drawIds(count: number, vocabulary: number): Int32Array {
  let state = 12345
  return Int32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * vocabulary)
  })
}
