import { describe, expect, it } from 'vitest'
import { type ChatArtifact, makeGivenArtifact } from '../../src/chat/chatArtifact.ts'
import type { ChatTurn } from '../../src/chat/contract.ts'
import { chatRuns } from '../../src/train/data/chatRuns.ts'
import { hasShared, ownNames, sharedNames, templateOf } from '../chat/templates.ts'

const tokens = { bosToken: '<s>', eosToken: '</s>' }
const names = [...ownNames, ...sharedNames]
const artifactOf = (name: string): ChatArtifact =>
  makeGivenArtifact({ path: `${name}.jinja`, text: templateOf(name).source }, tokens)

const user = (content: string): ChatTurn => ({ role: 'user', content })
const assistant = (content: string): ChatTurn => ({ role: 'assistant', content })

const conversation = [
  user('Name a colour.'),
  assistant('Red.'),
  user('And <|im_end|> another?'),
  assistant('Blue, dear.'),
]

const textOf = (runs: ReturnType<typeof chatRuns>, isLearnt?: boolean) =>
  runs
    .filter((run) => isLearnt === undefined || run.isLearnt === isLearnt)
    .map(({ parts }) => parts.map(({ text }) => text).join(''))

const where = hasShared ? '' : ' (published ones need ../shared/data)'

describe(`a conversation to learn from${where}`, () => {
  it.each(names)('by %s learns the answers with their ends, and nothing else', (name) => {
    const artifact = artifactOf(name)
    const stop = artifact.contract!.stops[0]!
    const learnt = textOf(chatRuns(artifact, conversation, 'a.jsonl:1'), true)
    expect(learnt.length).toBe(2)
    for (const [i, answer] of ['Red.', 'Blue, dear.'].entries()) {
      expect(learnt[i]!.startsWith(answer)).toBe(true)
      expect(learnt[i]!.slice(answer.length).trim()).toBe(stop)
    }
    expect(textOf(chatRuns(artifact, conversation, 'a.jsonl:1'), false).join('')).not.toMatch(/Red|Blue/)
  })

  it.each(names)('by %s is what the template writes before its last answer, and what is answered', (name) => {
    const artifact = artifactOf(name)
    const { thinking, shapes } = artifact.contract!
    const variables = thinking?.variable && shapes.off ? { [thinking.variable]: false } : {}
    const asked = templateOf(name).render({
      ...{ ...tokens, messages: conversation.slice(0, -1).map((turn) => ({ ...turn })), addGenerationPrompt: true },
      ...{ variables, now: new Date(2024, 0, 1, 12) },
    })
    const whole = textOf(chatRuns(artifact, conversation, 'a.jsonl:1')).join('')
    expect(whole.startsWith(`${asked}Blue, dear.`)).toBe(true)
  })

  it('takes what people write for text, and what the template writes for special tokens', () => {
    const runs = chatRuns(artifactOf('markers'), conversation, 'a.jsonl:1')
    const parts = runs.flatMap((run) => run.parts)
    for (const { content } of conversation) expect(parts).toContainEqual({ text: content, special: false })
    expect(parts.filter(({ special }) => !special).length).toBe(conversation.length)
  })

  it.skipIf(!hasShared)(
    'learns thinking of the last answer, and keeps it out of earlier ones (needs ../shared/data)',
    () => {
      const thought = '<think>\nblue?\n</think>\n\nBlue.'
      const turns = [user('a'), assistant('<think>\nred?\n</think>\n\nRed.'), user('b'), assistant(thought)]
      const artifact = artifactOf('Qwen-Qwen3-0.6B')
      expect(textOf(chatRuns(artifact, turns, 'a.jsonl:1'), true)).toEqual(['Red.<|im_end|>', `${thought}<|im_end|>`])
      const plain = chatRuns(artifact, turns.slice(0, 2).with(1, assistant('Red.')), 'a.jsonl:1')
      expect(textOf(plain, false).join('')).toMatch(/<think>\n\n<\/think>\n\n\n$/)
    },
  )

  it('is refused where the template refuses it, or cannot be said without running it', () => {
    const artifact = artifactOf('markers')
    const contract = artifact.contract!
    const shape = { ...contract.shapes.on!, system: null, systemRefusal: 'no system text, please' }
    const strict = { ...artifact, contract: { ...contract, shapes: { on: shape, off: shape } } }
    const system: ChatTurn = { role: 'system', content: 'Be kind.' }
    expect(() => chatRuns(strict, [system, ...conversation], 'a.jsonl:7')).toThrow(
      /^a\.jsonl:7: .*no system text, please$/,
    )
    const treated = { ...artifact, contract: { ...contract, exceptions: [{ role: 'user', text: 'colour' }] as const } }
    expect(() => chatRuns(treated, conversation, 'a.jsonl:7')).toThrow(/it treats 'colour' of role user/)
    const odd = { ...artifact, contract: null, reason: 'it is odd' }
    expect(() => chatRuns(odd, conversation, 'a.jsonl:7')).toThrow(/known by running it only \(it is odd\)/)
  })
})
