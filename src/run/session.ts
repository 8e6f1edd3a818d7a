import { existsSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { fail } from '../base/errors.ts'
import { Chat, type ChatOptions } from './chat.ts'
import { Session, type SessionOwner } from './engineSession.ts'
import {
  addSpecialFlag,
  continuesFlag,
  type Library,
  loadLibrary,
  type ModelInfo,
  parseSpecialFlag,
  type TextPart,
} from './library.ts'
import type { Pointer } from './native.ts'
import type { SiteName } from './profileLibrary.ts'
import { openedOf, resultOf } from './refusal.ts'
import { whole } from './settings.ts'

export type { ChatTurn, Thinking } from '../chat/contract.ts'
export type { Chat, ChatOptions, ChatPiece, ChatStats } from './chat.ts'
export type { EvalOptions, Profile, Session } from './engineSession.ts'
export type { EvalMode, Finish, ModelInfo, Overflow, Piece } from './library.ts'
export type { Counter, SiteEvent, SiteEvents, SiteName } from './profileLibrary.ts'
export type { Sequence, SequenceTokens } from './sequence.ts'
export type { GenerateOptions } from './settings.ts'

/** The files of a run folder that running needs. */
const neededFiles = ['manifest.json', 'libmodel.so', 'weights.bump'] as const
const mostThreads = 64

/** How text becomes ids. */
export interface TokenizeOptions {
  /** Special tokens written in the text become their ids; else they are text. Default false. */
  readonly special?: boolean
  /** Add BOS/EOS as the checkpoint asks. Default false. */
  readonly addSpecial?: boolean
}

/**
 * Opens a run folder that `ck build` wrote: loads its library and maps its weights. Refuses a folder that is incomplete,
 * damaged or of another version with `run_folder_invalid`, and one for another CPU with `target_unsupported`, before any
 * instruction of that CPU is executed.
 *
 * @example
 * const model = await load('run/stories')
 * const session = model.session({ threads: 4 })
 * const logits = await session.logits(model.tokenize('Once upon a time', { addSpecial: true }))
 * await model.close()
 */
export async function load(dir: string): Promise<Model> {
  for (const name of neededFiles) {
    if (!existsSync(join(dir, name))) fail('run_folder_invalid', { dir, what: `${name} is missing` })
  }
  const library = loadLibrary(join(dir, 'libmodel.so'), dir)
  const pointer = openedOf(await library.modelOpen(join(dir, 'weights.bump')), dir)
  return new Model(dir, library, pointer)
}

/** The mapped weights and the tokenizer of a built model: immutable, shared by all its sessions. */
export class Model implements SessionOwner {
  readonly dir: string
  readonly library: Library
  readonly info: ModelInfo
  /** What a profile build counts, in the order of its counters; empty in other builds. */
  readonly sites: readonly SiteName[]
  readonly #pointer: Pointer
  readonly #sessions = new Set<Session>()
  readonly #calls = new Set<Promise<unknown>>()
  #closed: Promise<void> | undefined

  /** Use `load`. */
  constructor(dir: string, library: Library, pointer: Pointer) {
    this.dir = dir
    this.library = library
    this.info = library.modelInfo(pointer)
    this.sites = library.profile.modelSites(pointer)
    this.#pointer = pointer
  }

  /** The ids of a text. Refuses `tokenizer_missing`. */
  tokenize(text: string, options: TokenizeOptions = {}): Int32Array {
    this.#mustHaveTokenizer()
    const flags = (options.addSpecial ? addSpecialFlag : 0) | (options.special ? parseSpecialFlag : 0)
    return resultOf(this.library.tokenize(this.#pointer, text, flags), 'tokenize', this.dir)
  }

  /**
   * The ids of a text in parts: special tokens count only where a part says so, and words go over the ends of parts. The
   * text is a start unless it `continues` other ids. Refuses `tokenizer_missing`.
   */
  tokenizeParts(parts: readonly TextPart[], options: { readonly continues?: boolean } = {}): Int32Array {
    this.#mustHaveTokenizer()
    const answer = this.library.tokenizeParts(this.#pointer, parts, options.continues ? continuesFlag : 0)
    return resultOf(answer, 'tokenize', this.dir)
  }

  /** The text of ids; special tokens appear in it only with `special`. Refuses `tokenizer_missing`, `token_out_of_range`. */
  detokenize(ids: readonly number[] | Int32Array, options: { readonly special?: boolean } = {}): string {
    this.#mustHaveTokenizer()
    const { vocabulary } = this.info
    for (const [at, id] of ids.entries()) {
      if (!Number.isInteger(id) || id < 0 || id >= vocabulary) fail('token_out_of_range', { id, at, vocabulary })
    }
    const answer = this.library.detokenize(this.#pointer, Int32Array.from(ids), options.special ?? false)
    return resultOf(answer, 'detokenize', this.dir)
  }

  /** Reads the whole weights file and compares its checksums. Refuses a damaged one with `run_folder_invalid`. */
  async verify(): Promise<void> {
    this.#mustBeOpen()
    const call = this.library.modelVerify(this.#pointer)
    this.#calls.add(call)
    try {
      openedOf(await call, this.dir)
    } finally {
      this.#calls.delete(call)
    }
  }

  /** A new, empty session. `threads` is 1 .. 64 (default: the cores); it changes the time, never the numbers. */
  session(options: { readonly threads?: number } = {}): Session {
    this.#mustBeOpen()
    const threads = whole('threads', options.threads ?? Math.min(availableParallelism(), mostThreads), mostThreads)
    const context = resultOf(this.library.contextOpen(this.#pointer, threads), 'session', this.dir)
    const session = new Session(this, context, threads, () => this.#sessions.delete(session))
    this.#sessions.add(session)
    return session
  }

  /** The embedding of a text or of ids, in a session of its own; see `Session.embed`. */
  async embed(input: string | readonly number[] | Int32Array): Promise<Float32Array> {
    const session = this.session()
    try {
      return await session.embed(input)
    } finally {
      await session.close()
    }
  }

  /**
   * A conversation by the model's chat template, in a session of its own. Refuses `template_missing`, `template_invalid`,
   * `tokenizer_missing`, and `option_invalid` for thinking that the template lacks.
   *
   * @example
   * const chat = model.chat({ system: 'Answer in one sentence.' })
   * for await (const { kind, text } of chat.send('What is a compiler?')) if (kind === 'answer') process.stdout.write(text)
   * console.log(chat.stats.prefilled)
   */
  chat(options: ChatOptions = {}): Chat {
    this.#mustBeOpen()
    return new Chat(this, options)
  }

  /** Closes the sessions, then the weights. May be called again. */
  close(): Promise<void> {
    this.#closed ??= this.#free()
    return this.#closed
  }

  async #free(): Promise<void> {
    await Promise.all([...this.#sessions].map((session) => session.close()))
    await Promise.allSettled(this.#calls)
    this.library.modelClose(this.#pointer)
  }

  #mustBeOpen(): void {
    if (this.#closed) fail('already_closed', { what: 'model' })
  }

  #mustHaveTokenizer(): void {
    this.#mustBeOpen()
    if (!this.info.hasTokenizer) fail('tokenizer_missing', { path: this.dir })
  }
}
