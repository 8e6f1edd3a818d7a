import { stripEnd, stripStart } from './pythonText.ts'

/** A piece of a template's own text: as it stands, or the date of the conversation in a format of strftime. */
export type ContractPart = string | { readonly date: string }

/** A template's own text between what people and the model say. */
export type ContractText = readonly ContractPart[]

/** What the template takes off an end of a text: nothing, line ends, or white space. */
export type Trim = 'none' | 'lines' | 'white'

/** The text before and after somebody's own. */
export interface Around {
  readonly prefix: ContractText
  readonly suffix: ContractText
  readonly trimStart: Trim
  readonly trimEnd: Trim
}

/**
 * How a conversation is written: [system] (user assistant)* user, and the beginning of an answer. The text is `begin` or the
 * system text with what is around it, the turns, `generation`.
 */
export interface ChatShape {
  /** Where no system text is given, and before the first turn where the system text stands in a turn. */
  readonly begin: ContractText
  /** null: the template refuses a system text, with the sentence `systemRefusal`. */
  readonly system: (Around & { readonly place: SystemPlace }) | null
  readonly systemRefusal?: string
  readonly user: Around
  readonly assistant: Around & {
    /** What is left out of an answer in the turns that are over; null: nothing. */
    readonly drop: Drop | null
  }
  /** The beginning of an answer. */
  readonly generation: ContractText
}

/** After trimming: everything up to and with the last `through` goes, and then what is trimmed here. */
export interface Drop {
  readonly through: string
  readonly trimStart: Trim
  readonly trimEnd: Trim
}

/** Before the turns, or in front of the first or the last user's text. */
export type SystemPlace = 'begin' | 'first' | 'last'

export type Thinking = 'on' | 'off'

/** What the template does with thinking. */
export interface ContractThinking {
  /** The markers around what is thought. */
  readonly start: string
  readonly end: string
  /** The template's variable, e.g. `enable_thinking`; null: it has none. */
  readonly variable: string | null
  /** What the template does where the variable is not given. */
  readonly usual: Thinking
}

/** A text that the template treats in a way of its own where it stands in this role's text. */
export interface ContractException {
  readonly role: ChatRole
  readonly text: string
}

export type ChatRole = 'system' | 'user' | 'assistant'

/** A template, as far as it can be said without running it: chat.json and chat.c of a run folder. */
export interface ChatContract {
  readonly thinking: ContractThinking | null
  /** By thinking; without `thinking` both are the same. A mode that the template lacks is null. */
  readonly shapes: { readonly [T in Thinking]: ChatShape | null }
  /** What ends an answer: the marker behind it, and the token that ends texts. */
  readonly stops: readonly string[]
  readonly exceptions: readonly ContractException[]
}

/** One turn of a conversation, in the order [system] (user assistant)* [user]. */
export interface ChatTurn {
  readonly role: ChatRole
  readonly content: string
}

/** A piece of a rendered conversation: the template's own text, in which special tokens count, or somebody's. */
export interface RenderedPart {
  readonly text: string
  readonly isMarker: boolean
  /** Of which turn it is the content; absent for markers. */
  readonly turn?: number
}

/** `text` as the template leaves it. */
export function trimmed(text: string, { trimStart, trimEnd }: Pick<Around, 'trimStart' | 'trimEnd'>): string {
  return trimTo(trimTo(text, trimStart, stripStart), trimEnd, stripEnd)
}

function trimTo(text: string, trim: Trim, strip: typeof stripStart): string {
  return trim === 'none' ? text : strip(text, trim === 'lines' ? '\n' : undefined)
}

/** What is left of an answer in a turn that is over. */
export function keptAnswer(text: string, { assistant }: ChatShape): string {
  const { drop } = assistant
  const kept = trimmed(text, assistant)
  const at = drop === null ? -1 : kept.lastIndexOf(drop.through)
  return drop === null || at < 0 ? kept : trimmed(kept.slice(at + drop.through.length), drop)
}

/**
 * The conversation as the template writes it, with the beginning of an answer. `turns` end with a user's; a system text of
 * white space only is none. `dateText` gives the date in a format.
 */
export function renderContract(
  shape: ChatShape,
  turns: readonly ChatTurn[],
  dateText: (format: string) => string,
): readonly RenderedPart[] {
  const parts: RenderedPart[] = []
  const mark = (text: ContractText) => {
    for (const part of text) parts.push({ text: typeof part === 'string' ? part : dateText(part.date), isMarker: true })
  }
  const say = (turn: number, text: string, around: Around) => {
    mark(around.prefix)
    parts.push({ text, isMarker: false, turn })
    mark(around.suffix)
  }
  const given = turns.findIndex(({ role, content }) => role === 'system' && content.trim() !== '')
  const saySystem = () => shape.system && say(given, trimmed(turns[given]!.content, shape.system), shape.system)
  const users = [...turns.keys()].filter((i) => turns[i]!.role === 'user')
  const place = given < 0 ? undefined : shape.system?.place
  const host = place === 'first' ? users[0] : place === 'last' ? users.at(-1) : undefined
  if (place === 'begin') saySystem()
  else mark(shape.begin)
  turns.forEach(({ role, content }, i) => {
    if (role === 'assistant') say(i, keptAnswer(content, shape), shape.assistant)
    if (role !== 'user') return
    const isHost = i === host
    if (isHost) mark(shape.user.prefix)
    if (isHost) saySystem()
    say(i, trimmed(content, shape.user), isHost ? { ...shape.user, prefix: [] } : shape.user)
  })
  mark(shape.generation)
  return parts
}
