import { fail } from '../base/errors.ts'
import type { EvalMode, Library, ModelInfo, Piece } from './library.ts'
import type { Answer, Pointer } from './native.ts'
import type { Counter, SiteEvents, SiteName } from './profileLibrary.ts'
import { resultOf } from './refusal.ts'
import { type GenerateOptions, settingsOf, whole } from './settings.ts'

/** What a session needs of its model. */
export interface SessionOwner {
  readonly dir: string
  readonly library: Library
  readonly info: ModelInfo
  /** Empty unless the model is a profile build. */
  readonly sites: readonly SiteName[]
  tokenize(text: string, options: { readonly special?: boolean; readonly addSpecial?: boolean }): Int32Array
}

/** How ids are evaluated. */
export interface EvalOptions {
  /** Default `prefill`; both give the same bits. */
  readonly mode?: EvalMode
  /** Logits of this many last ids. Default: all of them for `logits`, 0 for `append`. */
  readonly rows?: number
  /** Aborting it ends the call with the refusal `aborted`; `position` then says how many ids were taken. */
  readonly signal?: AbortSignal
}

/** What a session of a profile build has counted. */
export interface Profile {
  /** Per thread, and in it per site of the model. */
  readonly counters: readonly (readonly Counter[])[]
  /** Per thread. */
  readonly events: readonly SiteEvents[]
  /** Why no cycles, instructions and cache misses were counted; absent where they were. */
  readonly hardwareRefusal?: string
}

/** How often a stop is asked for again: C forgets one that comes before its call has begun. */
const stopAgainMs = 5

/**
 * One independent run of a model: its cache, its threads, the tokens that it holds. One call at a time: a second one is
 * refused with `session_busy`. Sessions of one model may run at once. After a refusal, an abort or an early end of a
 * generation the session goes on working.
 */
export class Session {
  readonly #owner: SessionOwner
  readonly #context: Pointer
  readonly #threads: number
  readonly #freed: () => void
  #generation: Pointer | undefined
  /** The operation that is under way; a generation is also between its pieces. */
  #running: string | undefined
  /** The C call that is under way. */
  #call: Promise<unknown> | undefined
  #heldBefore = 0
  #stop: (() => void) | undefined
  #closed: Promise<void> | undefined

  /** Use `model.session()`. `freed` is told once, when memory and threads are gone. */
  constructor(owner: SessionOwner, context: Pointer, threads: number, freed: () => void) {
    this.#owner = owner
    this.#context = context
    this.#threads = threads
    this.#freed = freed
  }

  /** Tokens held; while a call computes, those held before it. */
  get position(): number {
    this.#mustBeOpen()
    return this.#call ? this.#heldBefore : this.#owner.library.contextPosition(this.#context)
  }

  /**
   * Continues the tokens held with `prompt` and then with drawn tokens, one piece per token. What was drawn is held too,
   * except for the last token, which no call has evaluated yet. Breaking out of the loop ends the generation.
   *
   * Refuses, at the first piece: `token_out_of_range`, `context_exceeded`, `tokenizer_missing`, `option_invalid`,
   * `engine_failed` (an option out of its range), `session_busy`; and `aborted` whenever `signal` asks for it.
   *
   * @example
   * const model = await load('run/stories')
   * const session = model.session()
   * for await (const piece of session.generate('Once upon a time', { tokens: 100, seed: 1 })) {
   *   process.stdout.write(piece.text)
   * }
   * await model.close()
   */
  generate(
    prompt: string | readonly number[] | Int32Array,
    options: GenerateOptions = {},
  ): AsyncIterableIterator<Piece> {
    const consumer = { hasLeft: false, isServed: false }
    const pieces = this.#pieces(prompt, options, consumer)
    const iterator: AsyncIterableIterator<Piece> = {
      next: () => pieces.next(),
      return: () => {
        // A generator ends only between its pieces; the piece that is being computed is not wanted any more.
        consumer.hasLeft = true
        if (consumer.isServed) this.#stop?.()
        return pieces.return(undefined)
      },
      [Symbol.asyncIterator]: () => iterator,
    }
    return iterator
  }

  async *#pieces(
    prompt: string | readonly number[] | Int32Array,
    options: GenerateOptions,
    consumer: { readonly hasLeft: boolean; isServed: boolean },
  ): AsyncGenerator<Piece, void, undefined> {
    this.#begin('generate')
    consumer.isServed = true
    const { library, dir } = this.#owner
    try {
      const ids = typeof prompt === 'string' ? this.#promptIds(prompt, options) : this.#checkedIds(prompt)
      if (ids.length === 0) {
        fail('option_invalid', { option: 'prompt', found: 'without tokens', accepted: 'at least one token' })
      }
      const opened = library.generationOpen(this.#context, ids, settingsOf(options))
      const generation = resultOf(opened, 'generate', dir)
      this.#generation = generation
      for (;;) {
        const answer = await this.#compute('generate', () => library.generationNext(generation), options.signal)
        if (consumer.hasLeft) return
        const piece = resultOf(answer, 'generate', dir)
        yield piece
        if (piece.finish) return
        this.#mustBeOpen()
      }
    } finally {
      consumer.isServed = false
      this.#freeGeneration()
      this.#running = undefined
    }
  }

  /**
   * The logits of `ids` from an empty session: f32 [rows, vocabulary], by default of every id. The session then holds
   * `ids`. Refuses `token_out_of_range`, `context_exceeded`, `option_invalid`, `session_busy`, `aborted`.
   */
  async logits(ids: readonly number[] | Int32Array, options: EvalOptions = {}): Promise<Float32Array> {
    return this.#evaluate('logits', ids, { rows: ids.length, ...options }, true)
  }

  /** Appends `ids` and gives the logits of the last `rows` (default 0) of them; refuses as `logits` does. */
  async append(ids: readonly number[] | Int32Array, options: EvalOptions = {}): Promise<Float32Array> {
    return this.#evaluate('append', ids, options, false)
  }

  async #evaluate(
    what: string,
    ids: readonly number[] | Int32Array,
    options: EvalOptions,
    fromEmpty: boolean,
  ): Promise<Float32Array> {
    this.#begin(what)
    const { library, info, dir } = this.#owner
    try {
      const rows = whole('rows', options.rows ?? 0, ids.length)
      const checked = this.#checkedIds(ids, fromEmpty ? 0 : undefined)
      if (fromEmpty) resultOf(library.contextRewind(this.#context, 0), what, dir)
      const logits = new Float32Array(rows * info.vocabulary)
      const start = () =>
        library.contextEval(this.#context, options.mode ?? 'prefill', checked, rows > 0 ? logits : null, rows)
      resultOf(await this.#compute(what, start, options.signal), what, dir)
      return logits
    } finally {
      this.#running = undefined
    }
  }

  /**
   * The embedding of a text or of ids, of an encoder: f32 [embedding], of length 1. A text gets the special tokens that the
   * model asks for. Refuses `token_out_of_range`, `context_exceeded`, `tokenizer_missing`, `session_busy`, `aborted`, and
   * `engine_failed` for a model that is no encoder.
   */
  async embed(
    input: string | readonly number[] | Int32Array,
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<Float32Array> {
    this.#begin('embed')
    const { library, info, dir } = this.#owner
    try {
      const ids = typeof input === 'string' ? this.#owner.tokenize(input, { addSpecial: true }) : input
      const checked = this.#checkedIds(ids, 0)
      // An embedding of no width is refused before it is written.
      const embedding = new Float32Array(Math.max(1, info.embedding))
      const start = () => library.contextEmbed(this.#context, checked, embedding)
      resultOf(await this.#compute('embed', start, options.signal), 'embed', dir)
      return embedding
    } finally {
      this.#running = undefined
    }
  }

  /** Forgets all tokens. */
  reset(): void {
    this.rewind(0)
  }

  /** Forgets every token from `position` on. */
  rewind(position: number): void {
    this.#begin('rewind')
    try {
      const { library, dir } = this.#owner
      const held = library.contextPosition(this.#context)
      resultOf(library.contextRewind(this.#context, whole('position', position, held)), 'rewind', dir)
    } finally {
      this.#running = undefined
    }
  }

  /** A copy of `bytes` bytes of the session's memory at `offset` (layout.json says what lies there). */
  peek(offset: number, bytes: number): Uint8Array {
    this.#begin('peek')
    try {
      const most = this.#owner.info.contextBytes
      whole('offset', offset, most)
      whole('bytes', bytes, most - offset)
      return resultOf(this.#owner.library.contextPeek(this.#context, offset, bytes), 'peek', this.#owner.dir)
    } finally {
      this.#running = undefined
    }
  }

  /** What was counted since the last `resetProfile`. Refuses `engine_failed` where the model is no profile build. */
  profile(): Profile {
    this.#begin('profile')
    try {
      const { library, dir, sites } = this.#owner
      const { profile } = library
      const threads = Array.from({ length: this.#threads }, (_, thread) => thread)
      const counters = threads.map((thread) =>
        resultOf(profile.contextProfile(this.#context, thread, sites.length), 'profile', dir),
      )
      const events = threads.map((thread) => resultOf(profile.contextEvents(this.#context, thread), 'profile', dir))
      const hardwareRefusal = profile.contextHardware(this.#context)
      return { counters, events, ...(hardwareRefusal === undefined ? {} : { hardwareRefusal }) }
    } finally {
      this.#running = undefined
    }
  }

  /** Counts from nothing again; refuses as `profile` does. */
  resetProfile(): void {
    this.#begin('profile')
    try {
      const { library, dir } = this.#owner
      resultOf(library.profile.contextProfileReset(this.#context), 'profile', dir)
    } finally {
      this.#running = undefined
    }
  }

  /** Ends what is running, then frees the memory and the threads. May be called again. */
  close(): Promise<void> {
    this.#closed ??= this.#free()
    return this.#closed
  }

  async #free(): Promise<void> {
    this.#stop?.()
    await this.#call?.catch(() => undefined)
    this.#freeGeneration()
    this.#owner.library.contextClose(this.#context)
    this.#freed()
  }

  #freeGeneration(): void {
    if (this.#generation !== undefined) this.#owner.library.generationClose(this.#generation)
    this.#generation = undefined
  }

  #mustBeOpen(): void {
    if (this.#closed) fail('already_closed', { what: 'session' })
  }

  #begin(what: string): void {
    this.#mustBeOpen()
    if (this.#running !== undefined) fail('session_busy', { what, running: this.#running })
    this.#running = what
  }

  /** Runs one C call, which the signal, `close` and `return` can stop. */
  async #compute<T>(
    what: string,
    start: () => Promise<Answer<T>>,
    signal: AbortSignal | undefined,
  ): Promise<Answer<T>> {
    if (signal?.aborted) fail('aborted', { what })
    let again: NodeJS.Timeout | undefined
    const stop = () => {
      this.#owner.library.contextStop(this.#context)
      again ??= setInterval(stop, stopAgainMs)
    }
    signal?.addEventListener('abort', stop)
    this.#stop = stop
    this.#heldBefore = this.#owner.library.contextPosition(this.#context)
    try {
      const call = start()
      this.#call = call
      const answer = await call
      if (signal?.aborted) fail('aborted', { what })
      this.#mustBeOpen()
      return answer
    } finally {
      this.#call = undefined
      this.#stop = undefined
      clearInterval(again)
      signal?.removeEventListener('abort', stop)
    }
  }

  #promptIds(prompt: string, options: GenerateOptions): Int32Array {
    const addSpecial = options.addSpecial ?? this.#owner.library.contextPosition(this.#context) === 0
    return this.#checkedIds(this.#owner.tokenize(prompt, { special: options.special ?? false, addSpecial }))
  }

  #checkedIds(ids: readonly number[] | Int32Array, position = this.#owner.library.contextPosition(this.#context)) {
    const { vocabulary, context } = this.#owner.info
    if (position + ids.length > context) fail('context_exceeded', { tokens: position + ids.length, context })
    for (let i = 0; i < ids.length; i++) {
      const id = ids[i]!
      if (!Number.isInteger(id) || id < 0 || id >= vocabulary) {
        fail('token_out_of_range', { id, at: position + i, vocabulary })
      }
    }
    return Int32Array.from(ids)
  }
}
