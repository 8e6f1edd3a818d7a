import type { Around, ChatRole, ChatShape, ChatTurn, ContractText, Drop, SystemPlace, Trim } from './contract.ts'

/** Why a template cannot be said as a contract; the message goes on a sentence about it. */
export class InexpressibleError extends Error {}

/** Renders turns; without the beginning of an answer where `isClosed`. Raises the template's refusal. */
export type Probe = (turns: readonly ChatTurn[], isClosed?: boolean) => string

/** What stands for the date in a probe. */
export const dateMark = { start: '\u{f0000}', end: '\u{f0001}' } as const

const texts = { system: 'qZsystemZq', user: 'qZaskedZq', assistant: 'qZsaidZq', next: 'qZnextZq' } as const
const turn = (role: ChatRole, content: string): ChatTurn => ({ role, content })
const [system, user, assistant, next] = [
  turn('system', texts.system),
  turn('user', texts.user),
  turn('assistant', texts.assistant),
  turn('user', texts.next),
]
const before = '\n \t\n'
const after = '\n\t \n'

/** What the template writes around texts, found from a few renderings. Raises InexpressibleError. `end`: of thinking. */
export function probeShape(probe: Probe, end: string | undefined): ChatShape {
  const [begin1, after1] = cut(probe([user]), texts.user)
  const [begin2, between, joint, after2] = cut(probe([user, assistant, next]), texts.user, texts.assistant, texts.next)
  if (begin1 !== begin2 || after1 !== after2) {
    throw new InexpressibleError('the text around the turns depends on their number')
  }
  const closedUser = closedTail(probe, [user], texts.user)
  const closedAnswer = closedTail(probe, [user, assistant], texts.assistant)
  const userEnd = splitPoint(between, 0, commonStart(between, after1, closedUser ?? after1))
  const least = joint.length - commonEnd(joint, begin1)
  const answerEnd = splitPoint(joint, least, Math.max(least, commonStart(joint, closedAnswer ?? joint)))
  const userPrefix = joint.slice(answerEnd)
  const userTrim = trimsOf(probe([padded(user)]), texts.user, begin1, after1)
  const toAnswer = begin1 + texts.user + between
  const fromAnswer = joint + texts.next + after1
  const answerTrim = trimsOf(probe([user, padded(assistant), next]), texts.assistant, toAnswer, fromAnswer)
  return {
    begin: toText(begin1.slice(0, begin1.length - userPrefix.length)),
    ...probeSystem(probe, begin1, userPrefix, after1),
    user: { prefix: toText(userPrefix), suffix: toText(between.slice(0, userEnd)), ...userTrim },
    assistant: {
      prefix: toText(between.slice(userEnd)),
      suffix: toText(joint.slice(0, answerEnd)),
      ...answerTrim,
      drop: end === undefined ? null : probeDrop(probe, end, toAnswer, fromAnswer),
    },
    generation: toText(after1.slice(userEnd)),
  }
}

function probeSystem(
  probe: Probe,
  begin: string,
  userPrefix: string,
  tail: string,
): Pick<ChatShape, 'system' | 'systemRefusal'> {
  let rendered: string
  try {
    rendered = probe([system, user])
  } catch (error) {
    return { system: null, systemRefusal: sentenceOf(error) }
  }
  if (!rendered.includes(texts.system)) return { system: null, systemRefusal: 'it leaves a system text out' }
  const [head, middle] = cut(rendered, texts.system, texts.user)
  const long = probe([system, user, assistant, next])
  const isLast = long.indexOf(texts.system) > long.indexOf(texts.assistant)
  const isBefore = !isLast && middle.endsWith(userPrefix) && !(head === begin && userPrefix !== '' && middle === '')
  const trims = trimsOf(probe([padded(system), user]), texts.system, head, middle + texts.user + tail)
  const around = (place: SystemPlace, prefix: string, suffix: string): Around & { place: SystemPlace } => ({
    place,
    prefix: toText(prefix),
    suffix: toText(suffix),
    ...trims,
  })
  if (isBefore) return { system: around('begin', head, middle.slice(0, middle.length - userPrefix.length)) }
  if (!head.startsWith(begin)) throw new InexpressibleError('a system text changes what stands before the turns')
  return { system: around(isLast ? 'last' : 'first', head.slice(begin.length), middle) }
}

/** What a template said that refused, without our words in front of it. */
function sentenceOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  return text.replace(/^.*does not render this conversation: /s, '')
}

function probeDrop(probe: Probe, end: string, head: string, tail: string): Drop | null {
  const thought = 'qZthoughtZq'
  const answer = turn('assistant', `${thought}${end}${before}${texts.assistant}${after}`)
  const rendered = probe([user, answer, next])
  if (rendered.includes(thought)) return null
  return { through: end, ...trimsOf(rendered, texts.assistant, head, tail) }
}

/** The texts before, between and behind the given texts, each of which must be there once, in this order. */
function cut<T extends readonly string[]>(rendered: string, ...found: T): [string, ...{ [I in keyof T]: string }] {
  const parts: string[] = []
  let from = 0
  for (const text of found) {
    const at = rendered.indexOf(text)
    if (at < 0) throw new InexpressibleError('a text of the conversation is not in its rendering')
    if (rendered.indexOf(text, at + 1) >= 0) throw new InexpressibleError('a text of the conversation is written twice')
    if (at < from) throw new InexpressibleError('the texts are written in another order than they were said')
    parts.push(rendered.slice(from, at))
    from = at + text.length
  }
  return [...parts, rendered.slice(from)] as unknown as [string, ...{ [I in keyof T]: string }]
}

function closedTail(probe: Probe, turns: readonly ChatTurn[], last: string): string | undefined {
  try {
    return cut(probe(turns, true), last)[1]
  } catch {
    // What the template makes of a conversation that asks for no answer only helps to find better places to cut.
    return undefined
  }
}

const padded = ({ role, content }: ChatTurn) => turn(role, before + content + after)

/** What became of the white space around `text` between `head` and `tail`. */
function trimsOf(rendered: string, text: string, head: string, tail: string): { trimStart: Trim; trimEnd: Trim } {
  const at = rendered.indexOf(text)
  const isFramed = at >= head.length && rendered.startsWith(head) && rendered.endsWith(tail)
  const start = rendered.slice(head.length, at)
  const end = rendered.slice(at + text.length, rendered.length - tail.length)
  const trimStart = isFramed ? trimOf(before, start, (padding) => padding.replace(/^\n+/, '')) : undefined
  const trimEnd = isFramed ? trimOf(after, end, (padding) => padding.replace(/\n+$/, '')) : undefined
  if (trimStart && trimEnd) return { trimStart, trimEnd }
  throw new InexpressibleError('white space around a text changes more than this text')
}

function trimOf(padding: string, left: string, withoutLines: (padding: string) => string): Trim | undefined {
  if (left === padding) return 'none'
  if (left === '') return 'white'
  return left === withoutLines(padding) ? 'lines' : undefined
}

/** The last place from `least` to `most` that is not inside a marker or a date. */
function splitPoint(text: string, least: number, most: number): number {
  const marks = [...text.matchAll(/<[^<>\s]*>|\[[^[\]\s]*\]|\u{f0000}[^\u{f0001}]*\u{f0001}/gu)]
  for (let at = most; at >= least; at--) {
    if (!marks.some(({ 0: mark, index }) => index < at && at < index + mark.length)) return at
  }
  return most
}

function commonStart(first: string, ...others: readonly string[]): number {
  let at = 0
  while (at < first.length && others.every((other) => other[at] === first[at])) at++
  return at
}

function commonEnd(a: string, b: string): number {
  let count = 0
  while (count < Math.min(a.length, b.length) && a.at(-1 - count) === b.at(-1 - count)) count++
  return count
}

/** The template's own text with its dates. */
function toText(text: string): ContractText {
  return text
    .split(/(\u{f0000}[^\u{f0001}]*\u{f0001})/u)
    .filter((part) => part !== '')
    .map((part) => (part.startsWith(dateMark.start) ? { date: part.slice(2, -2) } : part))
}
