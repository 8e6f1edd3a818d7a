import { fail } from '../../base/errors.ts'
import type { ChatArtifact } from '../../chat/chatArtifact.ts'
import {
  type ChatContract,
  type ChatShape,
  type ChatTurn,
  type ContractText,
  renderContract,
  trimmed,
} from '../../chat/contract.ts'
import { openedBy } from '../../chat/splitThinking.ts'
import { strftime } from '../../chat/strftime.ts'
import type { TextPart } from '../../run/library.ts'

/** Parts of a conversation that become ids together, so that no word goes from what is given to what is learnt. */
export interface ChatRun {
  readonly parts: readonly TextPart[]
  /** The model's own words, and the marker that ends them. */
  readonly isLearnt: boolean
}

/** Templates that write today's date get this day, so that the same conversations give the same ids. */
const day = new Date(2024, 0, 1, 12)

/**
 * A conversation that ends with an answer, as the model meets it when it chats: the last answer behind the beginning that
 * the template gives it, earlier ones as the template keeps them. Where the template knows thinking, a last answer without
 * any is one that was asked for none. `path` names the conversation. Refuses `template_invalid` for a template that is no
 * contract, and `template_failed` for a conversation that it does not take.
 */
export function chatRuns(
  { where, contract, reason }: ChatArtifact,
  turns: readonly ChatTurn[],
  path: string,
): ChatRun[] {
  if (!contract) {
    const what = `cannot be learnt, because what it writes is known by running it only (${reason ?? ''})`
    return fail('template_invalid', {
      path: where,
      what,
      accepted: 'a template that ck inspect --chat shows as a contract',
    })
  }
  const last = turns.at(-1)!
  const shape = shapeFor(contract, last.content)
  checkTurns(contract, shape, turns, path)
  const marker = contract.stops[0] ?? ''
  const pieces: Piece[] = []
  let mayEnd = false
  for (const { text, isMarker, turn } of renderContract(shape, turns.slice(0, -1), dateText)) {
    if (turn !== undefined && turns[turn]?.role === 'assistant') {
      pieces.push({ text, special: false, isLearnt: true })
      mayEnd = true
    } else {
      pieces.push(...(mayEnd ? endOf(text, marker) : [{ text, special: isMarker, isLearnt: false }]))
      mayEnd = false
    }
  }
  const answer = trimmed(withoutOpened(last.content, contract, textOf(shape.generation), path), shape.assistant)
  pieces.push({ text: answer, special: false, isLearnt: true }, ...endOf(textOf(shape.assistant.suffix), marker))
  return runsOf(pieces)
}

interface Piece extends TextPart {
  readonly isLearnt: boolean
}

const dateText = (format: string) => strftime(day, format)

function textOf(text: ContractText): string {
  return text.map((part) => (typeof part === 'string' ? part : dateText(part.date))).join('')
}

function shapeFor({ thinking, shapes }: ChatContract, answer: string): ChatShape {
  const isThought = thinking !== null && answer.includes(thinking.end)
  // A contract has one shape at least.
  return (isThought ? (shapes.on ?? shapes.off) : (shapes.off ?? shapes.on))!
}

function checkTurns(
  { exceptions }: ChatContract,
  { system, systemRefusal }: ChatShape,
  turns: readonly ChatTurn[],
  path: string,
): void {
  const [first] = turns
  if (!system && first?.role === 'system' && first.content.trim() !== '') {
    fail('template_failed', { path, what: systemRefusal ?? 'it takes no system text' })
  }
  for (const { role, text } of exceptions) {
    if (turns.some((turn) => turn.role === role && turn.content.includes(text))) {
      fail('template_failed', { path, what: `it treats '${text}' of role ${role} in a way that cannot be learnt` })
    }
  }
}

/** Templates may begin the thinking themselves. */
function withoutOpened(answer: string, { thinking }: ChatContract, generation: string, path: string): string {
  const opened = openedBy(generation, thinking)
  if (opened === '') return answer
  const start = opened.trimEnd()
  if (answer.startsWith(opened)) return answer.slice(opened.length)
  if (answer.startsWith(start)) return answer.slice(start.length).replace(/^\s+/, '')
  return fail('template_failed', { path, what: `it begins every answer with ${start}, and this one has none` })
}

/** What follows an answer: learnt up to the marker that ends it. */
function endOf(text: string, marker: string): readonly Piece[] {
  const end = marker === '' ? -1 : text.indexOf(marker)
  const at = end < 0 ? 0 : end + marker.length
  return [
    { text: text.slice(0, at), special: true, isLearnt: true },
    { text: text.slice(at), special: true, isLearnt: false },
  ]
}

function runsOf(pieces: readonly Piece[]): ChatRun[] {
  const runs: { parts: TextPart[]; isLearnt: boolean }[] = []
  for (const { isLearnt, text, special } of pieces) {
    if (text === '') continue
    if (runs.at(-1)?.isLearnt !== isLearnt) runs.push({ parts: [], isLearnt })
    runs.at(-1)!.parts.push({ text, special })
  }
  return runs
}
