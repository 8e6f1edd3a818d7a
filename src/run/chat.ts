import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fail } from '../base/errors.ts'
import { type ChatArtifact, type GivenTemplate, makeGivenArtifact, readChatArtifact } from '../chat/chatArtifact.ts'
import type { ChatTurn, RenderedPart, Thinking } from '../chat/contract.ts'
import { type ChatRenderer, chatRenderer } from '../chat/renderChat.ts'
import { openedBy, type PieceKind, splitThinking } from '../chat/splitThinking.ts'
import { parseJson } from '../formats/parseJson.ts'
import type { Session } from './engineSession.ts'
import type { Finish, ModelInfo, Piece, TextPart } from './library.ts'
import type { GenerateOptions } from './settings.ts'

/** What a conversation begins with. */
export interface ChatOptions {
  /** A chat template in place of the model's own. */
  readonly template?: GivenTemplate
  /** The system text. Default: none, and the template may have its own. */
  readonly system?: string
  /** Whether the model thinks before it answers; default: as its template has it. */
  readonly thinking?: Thinking
  readonly threads?: number
  /** How answers are drawn; `stops` and `signal` of a single answer are options of `send`. */
  readonly sampling?: GenerateOptions
  /** The date that templates write; default: the day of each answer. */
  readonly now?: Date
}

/** A piece of an answer, as it comes. */
export interface ChatPiece {
  readonly kind: PieceKind
  /** Whole characters; empty where only the finish is told. */
  readonly text: string
  /** Why there are no further pieces; absent while there are. */
  readonly finish?: Finish
}

/** What the last answer took, in tokens. */
export interface ChatStats {
  /** Of the conversation up to the answer. */
  readonly prompt: number
  /** Of those, what the session did not hold yet and evaluated. */
  readonly prefilled: number
  /** What the session held and had to forget, because the template writes earlier turns otherwise than before. */
  readonly forgotten: number
  /** Drawn. */
  readonly generated: number
}

/** What a conversation needs of its model. */
export interface ChatOwner {
  readonly dir: string
  readonly info: ModelInfo
  session(options: { readonly threads?: number }): Session
  tokenizeParts(parts: readonly TextPart[], options: { readonly continues?: boolean }): Int32Array
  detokenize(ids: readonly number[], options: { readonly special?: boolean }): string
}

/** A turn, and for an answer the ids that it was drawn as, behind the first `opened` characters. */
interface HeldTurn extends ChatTurn {
  readonly opened?: string
  readonly ids?: readonly number[]
}

/**
 * A conversation with a model by its chat template. The session keeps what it has computed: an answer evaluates only what
 * the conversation has more, or otherwise, than before.
 */
export class Chat {
  readonly #owner: ChatOwner
  readonly #options: ChatOptions
  readonly #renderer: ChatRenderer
  readonly #session: Session
  readonly #stopIds: ReadonlySet<number>
  readonly #stopTexts: readonly string[]
  /** The text of the tokens that are markers of thinking. */
  readonly #markers: ReadonlyMap<number, string>
  #turns: readonly HeldTurn[] = []
  #system: string
  #thinking: Thinking | undefined
  #stats: ChatStats = { prompt: 0, prefilled: 0, forgotten: 0, generated: 0 }

  /** Use `model.chat()`. */
  constructor(owner: ChatOwner, options: ChatOptions) {
    if (!owner.info.hasTokenizer) fail('tokenizer_missing', { path: owner.dir })
    this.#owner = owner
    this.#options = options
    this.#renderer = chatRenderer(artifactOf(owner, options.template))
    this.#system = ''
    const { stops = [], thinking } = this.#renderer.artifact.contract ?? {}
    const idsOf = (text: string) => [...owner.tokenizeParts([{ text, special: true }], {})]
    const written = stops.map((text) => ({ text, ids: idsOf(text) }))
    this.#stopIds = new Set(written.flatMap(({ ids }) => (ids.length === 1 ? ids : [])))
    this.#stopTexts = written.filter(({ ids }) => ids.length > 1).map(({ text }) => text)
    this.#markers = new Map(
      (thinking ? [thinking.end, thinking.start] : []).flatMap((text) => {
        const [id, ...more] = idsOf(text)
        return id === undefined || more.length > 0 ? [] : [[id, text] as const]
      }),
    )
    this.system = options.system ?? ''
    this.thinking = options.thinking
    this.#session = owner.session(options.threads === undefined ? {} : { threads: options.threads })
  }

  /** How the model writes conversations: its template and contract. */
  get artifact(): ChatArtifact {
    return this.#renderer.artifact
  }

  /** The turns so far, the system text first; an answer is as the model gave it, with its thinking. */
  get messages(): readonly ChatTurn[] {
    const turns = this.#turns.map(({ role, content }) => ({ role, content }))
    return this.#system === '' ? turns : [{ role: 'system', content: this.#system }, ...turns]
  }

  get stats(): ChatStats {
    return this.#stats
  }

  /** Tokens that the session holds. */
  get position(): number {
    return this.#session.position
  }

  get system(): string {
    return this.#system
  }

  /** Refuses `template_failed` where the template takes none. */
  set system(text: string) {
    const system = text.trim() === '' ? '' : text
    if (system !== '')
      this.#render([
        { role: 'system', content: system },
        { role: 'user', content: 'Hello' },
      ])
    this.#system = system
  }

  get thinking(): Thinking | undefined {
    return this.#thinking
  }

  /** undefined: as the template has it. Refuses `option_invalid` where the template lacks it. */
  set thinking(thinking: Thinking | undefined) {
    const { contract } = this.#renderer.artifact
    if (thinking && contract && !contract.shapes[thinking]) {
      const accepted = `${thinking === 'on' ? 'off' : 'on'}, which is all that the chat template knows`
      fail('option_invalid', { option: 'thinking', found: thinking, accepted })
    }
    this.#thinking = thinking
  }

  /** Forgets the turns; the system text stays. */
  reset(): void {
    this.#turns = []
  }

  /**
   * Says `text` and gives the answer. Breaking out of the loop, or `signal`, ends the answer; what it said so far is a
   * turn. Refuses `context_exceeded`, `template_failed`, `session_busy`, `aborted`, and as `session.generate`.
   *
   * @example
   * for await (const { kind, text } of chat.send('Who are you?')) if (kind === 'answer') process.stdout.write(text)
   */
  async *send(text: string, options: GenerateOptions = {}): AsyncGenerator<ChatPiece, void, undefined> {
    const question: HeldTurn = { role: 'user', content: text }
    const parts = this.#render(this.#withSystem([...this.#turns, question]))
    const ids = this.#idsOf(parts, [...this.#turns, question])
    this.#rewindTo(ids)
    const beginning = endOf(parts)
    const markers = this.#renderer.artifact.contract?.thinking ?? null
    const opened = openedBy(beginning, markers)
    const splitter = splitThinking(markers, opened !== '')
    const drawn: number[] = []
    let content = ''
    let finish: Finish | undefined
    try {
      for await (const piece of this.#draw(ids, options)) {
        const isStop = piece.id >= 0 && this.#stopIds.has(piece.id)
        const isEnd = isStop || piece.finish === 'eos'
        if (piece.id >= 0 && !isEnd) drawn.push(piece.id)
        const said = isStop ? '' : this.#textOf(piece)
        content += said
        for (const split of splitter.add(said)) yield split
        finish = isStop ? 'eos' : piece.finish
        if (finish) break
      }
      const rest = splitter.end()
      for (const split of rest) yield split
      if (finish) yield { kind: rest.at(-1)?.kind ?? 'answer', text: '', finish }
    } finally {
      this.#stats = { ...this.#stats, generated: drawn.length }
      // Ids of an answer that ended otherwise may be more than its text.
      const isWhole = finish === 'eos' || finish === 'length' || finish === 'context'
      const answer: HeldTurn = {
        role: 'assistant',
        content: opened + content,
        opened,
        ...(isWhole ? { ids: drawn } : {}),
      }
      if (finish || content !== '') this.#turns = [...this.#turns, question, answer]
    }
  }

  /**
   * Takes a conversation in place of this one, [system] (user assistant)*, and evaluates it. Refuses `option_invalid` for
   * turns in another order, and as `send`.
   */
  async load(messages: readonly ChatTurn[], options: { readonly signal?: AbortSignal } = {}): Promise<void> {
    const hasSystem = messages[0]?.role === 'system'
    const turns = hasSystem ? messages.slice(1) : messages
    const at = turns.findIndex(({ role }, i) => role !== (i % 2 === 0 ? 'user' : 'assistant'))
    if (at >= 0 || turns.length % 2 !== 0) {
      const found = at < 0 ? 'a question without answer' : `'${turns[at]!.role}' as turn ${at + 1}`
      fail('option_invalid', {
        option: 'messages',
        found,
        accepted: 'user and assistant in turn, behind one system text',
      })
    }
    this.system = hasSystem ? messages[0]!.content : ''
    this.#turns = turns.map(({ role, content }) => ({ role, content }))
    if (turns.length > 0) await this.#prefill(options.signal)
  }

  /** Frees the session. */
  close(): Promise<void> {
    return this.#session.close()
  }

  /** Evaluates what every continuation of the conversation begins with. */
  async #prefill(signal: AbortSignal | undefined): Promise<void> {
    const all = this.#withSystem([...this.#turns, { role: 'user', content: 'x' }])
    const parts = this.#render(all)
    const end = parts.findIndex(({ turn }) => turn === all.length - 1)
    const ids = this.#idsOf(parts.slice(0, end), this.#turns)
    const at = this.#rewindTo(ids)
    await this.#session.append(ids.slice(at), signal ? { signal } : {})
  }

  #withSystem(turns: readonly ChatTurn[]): readonly ChatTurn[] {
    return this.#system === '' ? turns : [{ role: 'system', content: this.#system }, ...turns]
  }

  #render(turns: readonly ChatTurn[]): readonly RenderedPart[] {
    return this.#renderer.render(turns, this.#thinking, this.#options.now ?? new Date())
  }

  /** Answers that the template leaves whole keep the ids that they were drawn as. */
  #idsOf(parts: readonly RenderedPart[], turns: readonly HeldTurn[]): number[] {
    const shift = this.#system === '' ? 0 : 1
    const ids: number[] = []
    let run: TextPart[] = []
    const flush = () => {
      ids.push(...this.#owner.tokenizeParts(run, { continues: ids.length > 0 }))
      run = []
    }
    for (const { text, isMarker, turn } of parts) {
      const held = turn === undefined ? undefined : turns[turn - shift]
      if (held?.ids?.length && held.content === text) {
        run.push({ text: held.opened ?? '', special: true })
        flush()
        ids.push(...held.ids)
      } else if (text !== '') {
        run.push({ text, special: isMarker })
      }
    }
    flush()
    return ids
  }

  /** Leaves in the session what it holds of `ids`, and gives how much that is: at least one id is left to evaluate. */
  #rewindTo(ids: readonly number[]): number {
    const { context } = this.#owner.info
    if (ids.length > context) fail('context_exceeded', { tokens: ids.length, context })
    const before = this.#session.position
    const at = this.#session.match(ids.slice(0, -1))
    const forgotten = before - at
    this.#stats = { prompt: ids.length, prefilled: ids.length - at, forgotten, generated: 0 }
    return at
  }

  #draw(ids: readonly number[], options: GenerateOptions): AsyncIterable<Piece> {
    const { sampling } = this.#options
    const stops = [...(sampling?.stops ?? []), ...(options.stops ?? []), ...this.#stopTexts]
    return this.#session.generate(ids.slice(this.#session.position), { ...sampling, ...options, stops })
  }

  /** Control tokens have no text of their own, but the markers of thinking must be seen. */
  #textOf({ id, text }: Piece): string {
    return text === '' ? (this.#markers.get(id) ?? '') : text
  }
}

/** The template's own text at the end of a conversation. */
function endOf(parts: readonly RenderedPart[]): string {
  const last = parts.findLastIndex(({ isMarker }) => !isMarker)
  return parts
    .slice(last + 1)
    .map(({ text }) => text)
    .join('')
}

function artifactOf(owner: ChatOwner, given: GivenTemplate | undefined): ChatArtifact {
  const { dir, info } = owner
  if (given) {
    const textOf = (id: number) => (id < 0 ? undefined : owner.detokenize([id], { special: true }))
    return makeGivenArtifact(given, { bosToken: textOf(info.bos), eosToken: textOf(info.eos) })
  }
  const path = join(dir, 'chat.json')
  if (!existsSync(path)) fail('template_missing', { path: dir })
  return readChatArtifact(parseJson(path, readFileSync(path, 'utf8'), 'the file'), dir)
}
