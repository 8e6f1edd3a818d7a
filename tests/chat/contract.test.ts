import { describe, expect, it } from 'vitest'
import { compileChatTemplate } from '../../src/chat/chatTemplate.ts'
import { compileContract, variablesOf } from '../../src/chat/compileContract.ts'
import { type ChatContract, renderContract, type Thinking } from '../../src/chat/contract.ts'
import { randomTurns } from '../../src/chat/randomTurns.ts'
import { strftime } from '../../src/chat/strftime.ts'
import { hasShared, ownNames, sharedNames, templateOf } from './templates.ts'

const tokens = { bosToken: '<s>', eosToken: '</s>' }
const now = new Date(2026, 2, 7)
const modes: readonly Thinking[] = ['on', 'off']

function contractOf(source: string): ChatContract {
  const { contract } = compileContract(compileChatTemplate(source, 'test'), tokens)
  if (!contract) throw new Error('no contract')
  return contract
}

function compareOn(name: string, seeds: number): void {
  const template = templateOf(name)
  const { contract } = compileContract(template, tokens)
  expect(contract, `${name} is expressible`).not.toBeNull()
  for (const mode of modes) {
    const shape = contract!.shapes[mode]!
    for (let seed = 1001; seed <= 1000 + seeds; seed++) {
      const turns = randomTurns(seed, { hasSystem: shape.system !== null })
      const said = renderContract(shape, turns, (format) => strftime(now, format)).map(({ text }) => text)
      const messages = turns.map((turn) => ({ ...turn }))
      const variables = variablesOf(contract!.thinking, mode)
      const written = template.render({ ...tokens, messages, now, variables, addGenerationPrompt: true })
      expect(said.join(''), `${name}, seed ${seed}, thinking ${mode}`).toBe(written)
    }
  }
}

describe('a contract writes random conversations as its template does', () => {
  for (const name of ownNames) it(`of ${name}`, () => compareOn(name, 60))
  for (const name of sharedNames) {
    it.skipIf(!hasShared)(`of ${name}, which is expressible (needs ../shared/data)`, () => compareOn(name, 60))
  }
})

describe('a contract', () => {
  it('says what stands around turns, where markers end, and what earlier answers lose', () => {
    const { contract } = compileContract(templateOf('markers'), tokens)
    expect(contract).toMatchObject({
      thinking: { start: '<think>', end: '</think>', variable: 'enable_thinking', usual: 'on' },
      stops: ['<|done|>', '</s>'],
      exceptions: [],
      shapes: {
        on: {
          begin: ['<|turn|>system\nAnswer in one sentence.<|done|>\n'],
          system: { place: 'begin', prefix: ['<|turn|>system\n'], suffix: ['<|done|>\n'] },
          user: { prefix: ['<|turn|>user\n'], suffix: ['<|done|>\n'], trimStart: 'none', trimEnd: 'none' },
          assistant: {
            ...{ prefix: ['<|turn|>assistant\n'], suffix: ['<|done|>\n'] },
            drop: { through: '</think>', trimStart: 'lines', trimEnd: 'none' },
          },
          generation: ['<|turn|>assistant\n'],
        },
        off: { generation: ['<|turn|>assistant\n<think>\n\n</think>\n\n'] },
      },
    })
  })

  it('keeps the date as a format, and knows which texts are trimmed', () => {
    const { contract } = compileContract(templateOf('headers'), tokens)
    expect(contract?.shapes.on).toMatchObject({
      begin: ['<s>[head]system[/head]\nToday is ', { date: '%d %B %Y' }, '.\n[end]\n'],
      user: { trimStart: 'white', trimEnd: 'white' },
    })
    expect(contract?.thinking).toBeNull()
  })

  it('says in which turn a system text stands', () => {
    const { contract } = compileContract(templateOf('merged'), tokens)
    expect(contract?.shapes.on?.system).toMatchObject({ place: 'first', prefix: ['{'], suffix: ['}\n\n'] })
  })

  it.skipIf(!hasShared)('says it of published templates too (needs ../shared/data)', () => {
    const shapeOf = (name: string) => compileContract(templateOf(name), tokens).contract?.shapes.on
    expect(shapeOf('mistralai-Mistral-Nemo-Instruct-2407')?.system?.place).toBe('last')
    expect(shapeOf('google-gemma-2-2b-it')).toMatchObject({ system: null, systemRefusal: 'System role not supported' })
    expect(shapeOf('Qwen3.5-4B')?.generation).toEqual(['<|im_start|>assistant\n<think>\n'])
    const smol = compileContract(templateOf('HuggingFaceTB-SmolLM3-3B'), tokens).contract
    expect(smol?.exceptions.map(({ role, text }) => `${role} ${text}`)).toEqual(['system /think', 'system /no_think'])
    const granite = compileContract(templateOf('ibm-granite-granite-3.3-2B-Instruct'), tokens).contract
    expect(granite?.thinking).toMatchObject({ variable: 'thinking', usual: 'off' })
  })

  it('lists the texts that its template treats in a way of its own', () => {
    const { exceptions } = contractOf(
      `{% for m in messages %}<|{{ m.role }}|>{% if m.role == 'user' and 'MAGIC' in m.content %}!{% endif %}` +
        `{{ m.content.replace('/loud', '') }}<|end|>{% endfor %}<|assistant|>`,
    )
    const listed = exceptions.map(({ role, text }) => `${role} ${text}`)
    expect(listed).toEqual(['system /loud', 'user MAGIC', 'user /loud', 'assistant /loud'])
  })

  const others: readonly [what: string, source: string, reason: RegExp][] = [
    ['numbers its turns', '{% for m in messages %}{{ loop.index }}: {{ m.content }}\n{% endfor %}A:', /turns/],
    ['repeats a text', '{% for m in messages %}{{ m.content }}{{ m.content }};{% endfor %}', /written twice/],
    ['leaves texts out', '{% for m in messages[-1:] %}{{ m.content }}{% endfor %}', /not in its rendering/],
    ['writes backwards', '{% for m in messages[::-1] %}<{{ m.content }}>{% endfor %}', /order|turns/],
    ['upper-cases', '{% for m in messages %}<{{ m.content | upper }}>{% endfor %}', /not in its rendering/],
    [
      'refuses turns',
      "{% if messages|length > 1 %}{{ raise_exception('One only') }}{% endif %}{{ messages[0].content }}",
      /One only/,
    ],
  ]
  for (const [what, source, reason] of others) {
    it(`is not made of a template that ${what}, for a reason`, () => {
      const compiled = compileContract(compileChatTemplate(source, 'test'), tokens)
      expect(compiled.contract).toBeNull()
      expect('reason' in compiled && compiled.reason).toMatch(reason)
    })
  }

  it('is the same each time', () => {
    expect(compileContract(templateOf('markers'), tokens)).toEqual(compileContract(templateOf('markers'), tokens))
  })
})
