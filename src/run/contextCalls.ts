import { fail } from '../base/errors.ts'
import type { Library } from './library.ts'
import type { Answer, Pointer } from './native.ts'

/** How often a stop is asked for again: C forgets one that comes before its call has begun. */
const stopAgainMs = 5

/** The C calls of one context, which never overlap: those that compute wait for each other, the others are refused meanwhile. */
export class ContextCalls {
  readonly library: Library
  readonly context: Pointer
  readonly #sequences: number
  /** What waits or computes, in its order. */
  #last: Promise<unknown> = Promise.resolve()
  #computing: string | undefined
  #heldBefore: readonly number[] = []
  #stop: (() => void) | undefined
  #isClosed = false

  /** Owns `context` until `close`. */
  constructor(library: Library, context: Pointer, sequences: number) {
    this.library = library
    this.context = context
    this.#sequences = sequences
  }

  /** Refuses `already_closed`. */
  mustBeOpen(): void {
    if (this.#isClosed) fail('already_closed', { what: 'session' })
  }

  /** Refuses `session_busy` while something computes. */
  mustRest(what: string): void {
    this.mustBeOpen()
    if (this.#computing !== undefined) fail('session_busy', { what, running: this.#computing })
  }

  /** Tokens that a sequence holds; while a call computes, those before it. */
  position(sequence: number): number {
    this.mustBeOpen()
    if (this.#computing !== undefined) return this.#heldBefore[sequence] ?? 0
    return this.library.sequence.position(this.context, sequence)
  }

  /** Runs one C call, which `isUnwanted`, the signal and `close` can stop. Refuses `aborted`, `already_closed`. */
  compute<T>(what: string, start: () => Promise<Answer<T>>, signal: AbortSignal | undefined): StoppableCall<T> {
    let isUnwanted = false
    let stopNow: (() => void) | undefined
    const run = async (): Promise<Answer<T>> => {
      this.mustBeOpen()
      if (signal?.aborted || isUnwanted) fail('aborted', { what })
      let again: NodeJS.Timeout | undefined
      const stop = () => {
        this.library.contextStop(this.context)
        again ??= setInterval(stop, stopAgainMs)
      }
      signal?.addEventListener('abort', stop)
      this.#heldBefore = Array.from({ length: this.#sequences }, (_, sequence) => this.position(sequence))
      this.#computing = what
      this.#stop = stop
      stopNow = stop
      try {
        const answer = await start()
        if (signal?.aborted) fail('aborted', { what })
        this.mustBeOpen()
        return answer
      } finally {
        this.#computing = undefined
        this.#stop = undefined
        stopNow = undefined
        clearInterval(again)
        signal?.removeEventListener('abort', stop)
      }
    }
    if (signal?.aborted) fail('aborted', { what })
    const result = this.#last.then(run, run)
    this.#last = result.catch(() => undefined)
    return {
      result,
      stop() {
        isUnwanted = true
        stopNow?.()
      },
    }
  }

  /** Ends what computes and waits for it; then nothing is accepted any more. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#stop?.()
    await this.#last
  }
}

/** A call that waits or computes. */
export interface StoppableCall<T> {
  readonly result: Promise<Answer<T>>
  /** Its result is not wanted any more. */
  stop(): void
}
