import { fail } from '../base/errors.ts'
import type { ChatArtifact } from './chatArtifact.ts'
import { type ChatTemplate, compileChatTemplate } from './chatTemplate.ts'
import { variablesOf } from './compileContract.ts'
import { type ChatTurn, keptAnswer, type RenderedPart, renderContract, type Thinking, trimmed } from './contract.ts'
import { strftime } from './strftime.ts'

/** A model's way of writing conversations: by its contract, and where that does not say it by the template itself. */
export interface ChatRenderer {
  readonly artifact: ChatArtifact
  /**
   * The conversation with the beginning of an answer; `turns` end with a user's. Refuses `template_failed` where the
   * template refuses, and `option_invalid` for thinking that it lacks.
   */
  render(turns: readonly ChatTurn[], thinking: Thinking | undefined, now: Date): readonly RenderedPart[]
}

/** A renderer; refuses `template_invalid` where the artifact's template cannot be read. */
export function chatRenderer(artifact: ChatArtifact): ChatRenderer {
  const { contract, where } = artifact
  let parsed: ChatTemplate | undefined
  const template = () => {
    parsed ??= compileChatTemplate(artifact.template, where)
    return parsed
  }
  if (!contract) template()
  return {
    artifact,
    render(turns, thinking, now) {
      const mode = thinking ?? contract?.thinking?.usual ?? 'on'
      const shape = contract?.shapes[mode]
      if (contract && !shape) {
        fail('option_invalid', { option: 'thinking', found: mode, accepted: 'what the chat template knows' })
      }
      const isTreated = contract?.exceptions.some(({ role, text }) =>
        turns.some((turn) => turn.role === role && turn.content.includes(text)),
      )
      const isRefused = turns[0]?.role === 'system' && turns[0].content.trim() !== '' && !shape?.system
      if (shape && !isTreated && !isRefused) return renderContract(shape, turns, (format) => strftime(now, format))
      const { bosToken, eosToken } = artifact
      const text = template().render({
        ...{ bosToken, eosToken, now, addGenerationPrompt: true },
        messages: turns
          .filter(({ role, content }) => role !== 'system' || content.trim() !== '')
          .map((turn) => ({ ...turn })),
        variables: contract
          ? variablesOf(contract.thinking, thinking)
          : thinking
            ? { enable_thinking: thinking === 'on' }
            : {},
      })
      return locate(text, turns, (turn) => {
        if (!shape || turn.role === 'system') return [turn.content, turn.content.trim()]
        const kept = turn.role === 'user' ? trimmed(turn.content, shape.user) : keptAnswer(turn.content, shape)
        return [kept, turn.content, turn.content.trim()]
      })
    },
  }
}

/** Finds the turns' texts in a rendering; what cannot be found stays part of the template's own text. */
function locate(
  text: string,
  turns: readonly ChatTurn[],
  formsOf: (turn: ChatTurn) => readonly string[],
): readonly RenderedPart[] {
  const found: { at: number; length: number; turn: number }[] = []
  let from = 0
  turns.forEach((turn, i) => {
    const start = turn.role === 'system' ? 0 : from
    for (const form of formsOf(turn)) {
      const at = form === '' ? -1 : text.indexOf(form, start)
      if (at < 0) continue
      found.push({ at, length: form.length, turn: i })
      if (turn.role !== 'system') from = at + form.length
      return
    }
  })
  const parts: RenderedPart[] = []
  let done = 0
  for (const { at, length, turn } of found.toSorted((a, b) => a.at - b.at)) {
    if (at < done) continue
    parts.push({ text: text.slice(done, at), isMarker: true })
    parts.push({ text: text.slice(at, at + length), isMarker: false, turn })
    done = at + length
  }
  return [...parts, { text: text.slice(done), isMarker: true }]
}
