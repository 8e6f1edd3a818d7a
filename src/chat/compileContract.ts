import { CkError } from '../base/errors.ts'
import type { ChatTemplate } from './chatTemplate.ts'
import {
  type ChatContract,
  type ChatRole,
  type ChatShape,
  type ChatTurn,
  type ContractException,
  type ContractThinking,
  renderContract,
  type Thinking,
} from './contract.ts'
import { dateMark, InexpressibleError, type Probe, probeShape } from './probeShape.ts'
import { randomTurns } from './randomTurns.ts'

/** The texts of the tokens that templates write. */
export interface TokenTexts {
  readonly bosToken?: string | undefined
  readonly eosToken?: string | undefined
}

/** A template's contract, or why it has none: a clause about the template. */
export type CompiledContract =
  | { readonly contract: ChatContract }
  | { readonly contract: null; readonly reason: string }

const dateText = (format: string) => `${dateMark.start}${format}${dateMark.end}`
const conversations = 40

/**
 * Says a template as a contract: renders a few conversations, reads off what stands around their texts, and compares the
 * result with the template on random conversations. The same template gives the same contract.
 */
export function compileContract(template: ChatTemplate, tokens: TokenTexts): CompiledContract {
  try {
    if (template.source.includes('\0')) throw new InexpressibleError('it holds a zero byte')
    const thinking = findThinking(template, tokens)
    const shapeOf = (mode: Thinking): ChatShape | null => {
      if (thinking && thinking.variable === null && mode !== thinking.usual) return null
      const probe = probeOf(template, tokens, variablesOf(thinking, mode))
      const shape = probeShape(probe, thinking?.end)
      verify(probe, shape)
      return shape
    }
    const on = shapeOf('on')
    const shapes = { on, off: thinking ? shapeOf('off') : on }
    const usual = shapes[thinking?.usual ?? 'on']!
    const exceptions = findExceptions(template, probeOf(template, tokens, {}), usual, thinking?.end)
    return { contract: { thinking, shapes, stops: stopsOf(usual, tokens), exceptions } }
  } catch (error) {
    if (!(error instanceof InexpressibleError || error instanceof CkError)) throw error
    return { contract: null, reason: error.message }
  }
}

/** The template's variables that ask for thinking or for none. */
export function variablesOf(thinking: ContractThinking | null, mode: Thinking | undefined): Record<string, boolean> {
  return thinking?.variable && mode ? { [thinking.variable]: mode === 'on' } : {}
}

function probeOf(template: ChatTemplate, tokens: TokenTexts, variables: Record<string, boolean>): Probe {
  return (turns, isClosed = false) =>
    template.render({
      ...tokens,
      messages: turns.map(({ role, content }) => ({ role, content })),
      addGenerationPrompt: !isClosed,
      variables,
      now: dateText,
    })
}

const markers = [
  ['<think>', '</think>'],
  ['<thinking>', '</thinking>'],
  ['[THINK]', '[/THINK]'],
  ['<reasoning>', '</reasoning>'],
] as const
const switches = ['enable_thinking', 'thinking'] as const

function findThinking(template: ChatTemplate, tokens: TokenTexts): ContractThinking | null {
  const found = markers.find(([, end]) => template.source.includes(end))
  if (!found) return null
  const [start, end] = found
  const turns: readonly ChatTurn[] = [{ role: 'user', content: 'Hello' }]
  const rendered = (variables: Record<string, boolean>) => probeOf(template, tokens, variables)(turns)
  const usual = rendered({})
  for (const variable of switches) {
    if (!template.source.includes(variable)) continue
    const [on, off] = [rendered({ [variable]: true }), rendered({ [variable]: false })]
    if (on !== off) return { start, end, variable, usual: usual === off ? 'off' : 'on' }
  }
  return { start, end, variable: null, usual: 'on' }
}

/** Raises InexpressibleError where the shape writes a random conversation otherwise than the template. */
function verify(probe: Probe, shape: ChatShape): void {
  const place = { hasSystem: shape.system !== null }
  for (let seed = 1; seed <= conversations; seed++) {
    const turns = randomTurns(seed, place)
    if (!agrees(probe, shape, turns)) {
      const many = `${turns.length} turns${turns[0]?.role === 'system' ? ' with a system text' : ''}`
      throw new InexpressibleError(`it writes some conversations of ${many} in a way of its own`)
    }
  }
}

function agrees(probe: Probe, shape: ChatShape, turns: readonly ChatTurn[]): boolean {
  const said = renderContract(shape, turns, dateText).map(({ text }) => text)
  try {
    return probe(turns) === said.join('')
  } catch {
    return false
  }
}

/** The template's own literals that, standing in somebody's text, change more than this text. */
function findExceptions(
  template: ChatTemplate,
  probe: Probe,
  shape: ChatShape,
  end: string | undefined,
): ContractException[] {
  const trimmedWords = template.literals.map((word) => word.trim())
  const words = [...new Set(trimmedWords)].filter((word) => word.length > 1 && word.length <= 64)
  const roles: readonly ChatRole[] = shape.system ? ['system', 'user', 'assistant'] : ['user', 'assistant']
  const isTreated = (role: ChatRole, text: string) =>
    [true, false].some((isEverywhere) => !agrees(probe, shape, conversationWith(role, text, isEverywhere, end)))
  return roles.flatMap((role) => {
    const alone = words.filter((word) => [word, `a ${word} b`].some((text) => isTreated(role, text)))
    // Templates look whether a text begins with one literal and ends with the next.
    const pairs = words.filter((word, i) => {
      const text = `${word}x${words[i + 1] ?? ''}`
      return !alone.some((found) => text.includes(found)) && isTreated(role, text)
    })
    const found = [...alone, ...pairs]
    const isCovered = (text: string) => found.some((other) => other !== text && text.includes(other))
    return found.filter((text) => !isCovered(text)).map((text) => ({ role, text }))
  })
}

/** A conversation with `text` for each turn of a role, or for the last of them; answers were thought over. */
function conversationWith(role: ChatRole, text: string, isEverywhere: boolean, end: string | undefined): ChatTurn[] {
  const roles: readonly ChatRole[] = ['user', 'assistant', 'user', 'assistant', 'user']
  const all = role === 'system' ? (['system', ...roles] as const) : roles
  return all.map((own, i) => {
    const isOwn = own === role && (isEverywhere || all.lastIndexOf(role) === i)
    const usual = own === 'assistant' && end !== undefined ? `thought${end}word ${i}` : `word ${i}`
    return { role: own, content: isOwn ? text : usual }
  })
}

/** The marker that follows an answer, and the token that ends texts. */
function stopsOf({ assistant }: ChatShape, { eosToken }: TokenTexts): string[] {
  const suffix = assistant.suffix.filter((part) => typeof part === 'string').join('')
  const marker = /<[^<>\s]+>|\[[^[\]\s]+\]/.exec(suffix)?.[0] ?? suffix.trim()
  return [...new Set([marker, eosToken ?? ''])].filter((text) => text !== '')
}
