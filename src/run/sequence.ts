import { fail } from '../base/errors.ts'
import { type BatchPart, batchOf, rowsByPart } from './batch.ts'
import type { ContextCalls, StoppableCall } from './contextCalls.ts'
import type { EvalMode, Library, ModelInfo, Piece } from './library.ts'
import type { Answer, Pointer } from './native.ts'
import type { SiteName } from './profileLibrary.ts'
import { resultOf, savedOf } from './refusal.ts'
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
  /** An array of rows times vocabulary that receives the logits and is the result. Default: a new one. */
  readonly into?: Float32Array
  /** Aborting it ends the call with the refusal `aborted`; `position` then says how many ids were taken. */
  readonly signal?: AbortSignal
}

/** Ids for one of several sequences, and of how many last ones the logits are wanted (default 0). */
export interface SequenceTokens {
  readonly sequence: Sequence
  readonly ids: readonly number[] | Int32Array
  readonly rows?: number
}

/**
 * One sequence of tokens in a session. One call at a time: a second one is refused with `session_busy`. Sequences of one
 * session share its memory and threads; their calls wait for each other, and never change each other's numbers.
 */
export class Sequence {
  /** Its number in the session. */
  readonly index: number
  readonly #owner: SessionOwner
  readonly #calls: ContextCalls
  #generation: Pointer | undefined
  /** The operation that is under way; a generation is also between its pieces. */
  #running: string | undefined
  #call: StoppableCall<unknown> | undefined

  /** Use `model.session()` and `session.sequence()`. */
  constructor(owner: SessionOwner, calls: ContextCalls, index: number) {
    this.#owner = owner
    this.#calls = calls
    this.index = index
  }

  /** Tokens held; while a call computes, those held before it. */
  get position(): number {
    return this.#calls.position(this.index)
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
        if (consumer.isServed) this.#call?.stop()
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
      const ids =
        typeof prompt === 'string'
          ? this.#promptIds(prompt, options)
          : this.#checkedIds(prompt, options.overflow === 'shift')
      if (ids.length === 0) {
        fail('option_invalid', { option: 'prompt', found: 'without tokens', accepted: 'at least one token' })
      }
      const settings = settingsOf(options)
      const next = async (): Promise<Answer<Piece>> => {
        if (this.#generation === undefined) {
          const opened = library.generationOpen(this.#calls.context, this.index, ids, settings)
          if (opened.status !== 'ok') return opened
          this.#generation = opened.value
        }
        return library.generationNext(this.#generation)
      }
      for (;;) {
        const answer = await this.#compute('generate', next, options.signal).catch((error: unknown) => {
          if (consumer.hasLeft) return undefined
          throw error
        })
        if (answer === undefined || consumer.hasLeft) return
        const piece = resultOf(answer, 'generate', dir)
        yield piece
        if (piece.finish) return
        this.#calls.mustBeOpen()
      }
    } finally {
      consumer.isServed = false
      this.#freeGeneration()
      this.#running = undefined
    }
  }

  /**
   * The logits of `ids` from an empty sequence: f32 [rows, vocabulary], by default of every id. The sequence then holds
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
    try {
      const rows = whole('rows', options.rows ?? 0, ids.length)
      const checked = this.#checkedIds(ids, false, fromEmpty ? 0 : this.position)
      const { library, context } = this.#calls
      const logits = receiverOf(options.into, rows * this.#owner.info.vocabulary)
      const batch = { ids: checked, sequences: this.index, outputs: rows }
      const start = async () => {
        const rewound: Answer<void> = fromEmpty
          ? library.sequence.rewind(context, this.index, 0)
          : { status: 'ok', value: undefined }
        if (rewound.status !== 'ok') return rewound
        return library.sequence.contextEval(context, options.mode ?? 'prefill', batch, rows > 0 ? logits : null)
      }
      resultOf(await this.#compute(what, start, options.signal), what, this.#owner.dir)
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
    const { info, dir } = this.#owner
    try {
      const ids = typeof input === 'string' ? this.#owner.tokenize(input, { addSpecial: true }) : input
      const checked = this.#checkedIds(ids, false, 0)
      // An embedding of no width is refused before it is written.
      const embedding = new Float32Array(Math.max(1, info.embedding))
      const { library, context } = this.#calls
      const start = () => library.contextEmbed(context, checked, embedding)
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

  /**
   * Forgets every token from `position` on. A model with recurrent state goes back only to where `restorable` says; others
   * are refused with `engine_failed`.
   */
  rewind(position: number): void {
    this.#alone('rewind', ({ library, context }) =>
      library.sequence.rewind(context, this.index, whole('position', position, this.position)),
    )
  }

  /** Keeps what is held now, so that a model with recurrent state can go back to here; others always can. */
  checkpoint(): void {
    this.#alone('checkpoint', ({ library, context }) => library.sequence.checkpoint(context, this.index))
  }

  /**
   * The last position up to `position` to which `rewind` can go. A model with recurrent state keeps four: those that
   * `checkpoint` took, and the ends of calls that appended several tokens.
   */
  restorable(position: number): number {
    this.#calls.mustRest('restorable')
    const { library, context } = this.#calls
    return library.sequence.restorable(context, this.index, whole('position', position, this.position))
  }

  /**
   * Rewinds to the longest prefix that what is held shares with `ids`, and gives its tokens. For a prompt give all ids but
   * the last, whose logits are still to be computed.
   */
  match(ids: readonly number[] | Int32Array): number {
    return this.#alone('match', ({ library, context }) =>
      library.sequence.match(context, this.index, Int32Array.from(ids)),
    )
  }

  /** Then holds the first `tokens` tokens of another sequence of the session, by default all, and nothing else. */
  copyFrom(other: Sequence, tokens = other.position): void {
    if (other.#calls !== this.#calls) {
      fail('option_invalid', { option: 'other', found: 'of another session', accepted: 'a sequence of this session' })
    }
    this.#alone('copy', ({ library, context }) =>
      library.sequence.copy(context, other.index, this.index, whole('tokens', tokens, other.position)),
    )
  }

  /** Writes what is held to a file, for `load`. Refuses `saved_tokens_failed`. */
  async save(path: string): Promise<void> {
    return this.#withFile('save', () => this.#calls.library.sequence.save(this.#calls.context, this.index, path))
  }

  /**
   * Then holds what `save` wrote in any session of this model and of the same kind of build, and goes on with the same bits.
   * Refuses `saved_tokens_failed` where the file is missing, damaged, of another model or too long; what is held stays.
   */
  async load(path: string): Promise<void> {
    return this.#withFile('load', () => this.#calls.library.sequence.load(this.#calls.context, this.index, path))
  }

  async #withFile(what: string, start: () => Promise<Answer<void>>): Promise<void> {
    this.#begin(what)
    try {
      savedOf(await this.#compute(what, start, undefined), what, this.#owner.dir)
    } finally {
      this.#running = undefined
    }
  }

  /** `session.appendTogether`: all sequences are of one session. */
  static async evaluateTogether(
    parts: readonly SequenceTokens[],
    { mode = 'prefill', signal }: Omit<EvalOptions, 'rows' | 'into'>,
  ): Promise<readonly Float32Array[]> {
    const [first] = parts
    if (first === undefined) return []
    const { library, context } = first.sequence.#calls
    const { info, dir } = first.sequence.#owner
    const begun: Sequence[] = []
    try {
      const checked = parts.map(({ sequence, ids, rows = 0 }): BatchPart => {
        sequence.#begin('append')
        begun.push(sequence)
        return {
          sequence: sequence.index,
          ids: sequence.#checkedIds(ids, false),
          rows: whole('rows', rows, ids.length),
        }
      })
      const { batch, rows } = batchOf(checked, mode)
      const logits = new Float32Array(rows.length * info.vocabulary)
      const start = () => library.sequence.contextEval(context, mode, batch, rows.length > 0 ? logits : null)
      resultOf(await first.sequence.#compute('append', start, signal), 'append', dir)
      return rowsByPart(checked, rows, logits, info.vocabulary)
    } finally {
      for (const sequence of begun) sequence.#running = undefined
    }
  }

  /** Frees what the sequences' generations hold, when no call is under way any more. */
  static free(sequences: Iterable<Sequence>): void {
    for (const sequence of sequences) sequence.#freeGeneration()
  }

  #freeGeneration(): void {
    if (this.#generation !== undefined) this.#calls.library.generationClose(this.#generation)
    this.#generation = undefined
  }

  #begin(what: string): void {
    this.#calls.mustBeOpen()
    if (this.#running !== undefined) fail('session_busy', { what, running: this.#running })
    this.#running = what
  }

  /** Runs a C function that computes nothing, while no other one runs. */
  #alone<T>(what: string, call: (calls: ContextCalls) => Answer<T>): T {
    this.#begin(what)
    try {
      this.#calls.mustRest(what)
      return resultOf(call(this.#calls), what, this.#owner.dir)
    } finally {
      this.#running = undefined
    }
  }

  async #compute<T>(what: string, start: () => Promise<Answer<T>>, signal: AbortSignal | undefined) {
    const call = this.#calls.compute(what, start, signal)
    this.#call = call
    try {
      return await call.result
    } finally {
      this.#call = undefined
    }
  }

  #promptIds(prompt: string, options: GenerateOptions): Int32Array {
    const addSpecial = options.addSpecial ?? this.position === 0
    const ids = this.#owner.tokenize(prompt, { special: options.special ?? false, addSpecial })
    return this.#checkedIds(ids, options.overflow === 'shift')
  }

  #checkedIds(ids: readonly number[] | Int32Array, mayOverflow: boolean, position = this.position): Int32Array {
    const { vocabulary, context } = this.#owner.info
    if (!mayOverflow && position + ids.length > context) {
      fail('context_exceeded', { tokens: position + ids.length, context })
    }
    for (let i = 0; i < ids.length; i++) {
      const id = ids[i]!
      if (!Number.isInteger(id) || id < 0 || id >= vocabulary) {
        fail('token_out_of_range', { id, at: position + i, vocabulary })
      }
    }
    return Int32Array.from(ids)
  }
}

/** `into`, or a new array; refuses one that does not hold exactly `count` numbers. */
function receiverOf(into: Float32Array | undefined, count: number): Float32Array {
  if (into && into.length !== count) {
    fail('option_invalid', { option: 'into', found: `of ${into.length} numbers`, accepted: `an array of ${count}` })
  }
  return into ?? new Float32Array(count)
}
