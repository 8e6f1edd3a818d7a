import { fail } from '../base/errors.ts'
import { ContextCalls } from './contextCalls.ts'
import type { Pointer } from './native.ts'
import type { Counter, SiteEvents } from './profileLibrary.ts'
import { resultOf } from './refusal.ts'
import { type EvalOptions, Sequence, type SequenceTokens, type SessionOwner } from './sequence.ts'
import { whole } from './settings.ts'

export type { EvalOptions, SessionOwner } from './sequence.ts'

/** What a session of a profile build has counted. */
export interface Profile {
  /** Per thread, and in it per site of the model. */
  readonly counters: readonly (readonly Counter[])[]
  /** Per thread. */
  readonly events: readonly SiteEvents[]
  /** Why no cycles, instructions and cache misses were counted; absent where they were. */
  readonly hardwareRefusal?: string
}

/**
 * One independent run of a model: its cache, its threads, the tokens that it holds. It is itself the first of its sequences,
 * and the only one unless the model was built for several. One call at a time: a second one is refused with `session_busy`.
 * Sessions of one model may run at once. After a refusal, an abort or an early end of a generation the session goes on working.
 */
export class Session extends Sequence {
  readonly #owner: SessionOwner
  readonly #calls: ContextCalls
  readonly #threads: number
  readonly #freed: () => void
  readonly #sequences = new Map<number, Sequence>()
  #closed: Promise<void> | undefined

  /** Use `model.session()`. `freed` is told once, when memory and threads are gone. */
  constructor(owner: SessionOwner, context: Pointer, threads: number, freed: () => void) {
    const calls = new ContextCalls(owner.library, context, owner.info.sequences)
    super(owner, calls, 0)
    this.#owner = owner
    this.#calls = calls
    this.#threads = threads
    this.#freed = freed
    this.#sequences.set(0, this)
  }

  /** One of the sequences that the model was built for; 0 is the session itself. Refuses `sequence_missing`. */
  sequence(index: number): Sequence {
    const { sequences } = this.#owner.info
    if (!Number.isInteger(index) || index < 0 || index >= sequences) {
      fail('sequence_missing', { sequence: index, sequences })
    }
    const sequence = this.#sequences.get(index) ?? new Sequence(this.#owner, this.#calls, index)
    this.#sequences.set(index, sequence)
    return sequence
  }

  /**
   * Appends ids to several sequences of this session at once, and gives the logits of the last `rows` of each, with the bits
   * that each would give alone. In mode `decode` a step takes one id of each. Refuses as `append` does.
   */
  async appendTogether(
    parts: readonly SequenceTokens[],
    options: Omit<EvalOptions, 'rows' | 'into'> = {},
  ): Promise<readonly Float32Array[]> {
    const foreign = parts.find(({ sequence }) => this.#sequences.get(sequence.index) !== sequence)
    if (foreign) {
      fail('option_invalid', {
        option: 'sequence',
        found: 'of another session',
        accepted: 'a sequence of this session',
      })
    }
    return Sequence.evaluateTogether(parts, options)
  }

  /** A copy of `bytes` bytes of the session's memory at `offset` (layout.json says what lies there). */
  peek(offset: number, bytes: number): Uint8Array {
    this.#calls.mustRest('peek')
    const most = this.#owner.info.contextBytes
    whole('offset', offset, most)
    whole('bytes', bytes, most - offset)
    return resultOf(this.#owner.library.contextPeek(this.#calls.context, offset, bytes), 'peek', this.#owner.dir)
  }

  /** What was counted since the last `resetProfile`. Refuses `engine_failed` where the model is no profile build. */
  profile(): Profile {
    this.#calls.mustRest('profile')
    const { library, dir, sites } = this.#owner
    const { context } = this.#calls
    const { profile } = library
    const threads = Array.from({ length: this.#threads }, (_, thread) => thread)
    const counters = threads.map((thread) =>
      resultOf(profile.contextProfile(context, thread, sites.length), 'profile', dir),
    )
    const events = threads.map((thread) => resultOf(profile.contextEvents(context, thread), 'profile', dir))
    const hardwareRefusal = profile.contextHardware(context)
    return { counters, events, ...(hardwareRefusal === undefined ? {} : { hardwareRefusal }) }
  }

  /** Counts from nothing again; refuses as `profile` does. */
  resetProfile(): void {
    this.#calls.mustRest('profile')
    const { library, dir } = this.#owner
    resultOf(library.profile.contextProfileReset(this.#calls.context), 'profile', dir)
  }

  /** Ends what is running, then frees the memory and the threads. May be called again. */
  close(): Promise<void> {
    this.#closed ??= this.#free()
    return this.#closed
  }

  async #free(): Promise<void> {
    await this.#calls.close()
    Sequence.free(this.#sequences.values())
    this.#owner.library.contextClose(this.#calls.context)
    this.#freed()
  }
}
