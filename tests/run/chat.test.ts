import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Chat } from '../../src/run/chat.ts'
import { load, type Model } from '../../src/run/session.ts'
import { scriptOf, tables, template } from '../engine/chatModel.ts'
import { scratchFolder, writeWeights } from '../engine/fixture.ts'

const folder = scratchFolder()
const models: Model[] = []
let library: string

beforeAll(() => {
  library = folder.build(join(folder.path, 'libmodel.so'), { defines: ['FIXTURE_DELAY_MS=2'] })
})
afterAll(async () => {
  await Promise.all(models.map((model) => model.close()))
  folder.remove()
})

/** A model that says these texts from these positions on. */
async function speaking(said: Readonly<Record<number, readonly string[]>>): Promise<Model> {
  const dir = join(folder.path, `model${models.length}`)
  mkdirSync(dir)
  copyFileSync(library, join(dir, 'libmodel.so'))
  writeWeights(join(dir, 'weights.bump'), { script: scriptOf(said), tables })
  writeFileSync(join(dir, 'manifest.json'), '{}')
  const model = await load(dir)
  models.push(model)
  return model
}

const sampling = { temperature: 0 }

async function say(
  chat: Chat,
  text: string,
): Promise<{ thinking: string; answer: string; finish: string | undefined }> {
  const said = { thinking: '', answer: '' }
  let finish: string | undefined
  for await (const piece of chat.send(text)) {
    said[piece.kind] += piece.text
    finish = piece.finish
  }
  return { ...said, finish }
}

describe('a conversation', () => {
  it('evaluates only what it has more than before', async () => {
    // <u> H i <e> <a>: the answer begins behind position 4.
    const model = await speaking({ 4: [' Hello', '!', '<e>'], 12: ['!', '<e>'] })
    const chat = model.chat({ template, sampling })
    expect(await say(chat, 'Hi')).toEqual({ thinking: '', answer: ' Hello!', finish: 'eos' })
    expect(chat.stats).toEqual({ prompt: 5, prefilled: 5, forgotten: 0, generated: 2 })
    expect(chat.position).toBe(7)
    // 7 held, then <e> <u> B y <e> <a>.
    expect(await say(chat, 'By')).toEqual({ thinking: '', answer: '!', finish: 'eos' })
    expect(chat.stats).toEqual({ prompt: 13, prefilled: 6, forgotten: 0, generated: 1 })
    expect(chat.messages).toEqual([
      { role: 'user', content: 'Hi' },
      { role: 'assistant', content: ' Hello!' },
      { role: 'user', content: 'By' },
      { role: 'assistant', content: '!' },
    ])
  })

  it('tells thinking from the answer, and forgets it where the template does', async () => {
    const model = await speaking({ 4: ['<think>', 'h', 'm', '</think>', '!', '<e>'], 11: ['!', '<e>'] })
    const chat = model.chat({ template, sampling })
    expect(await say(chat, 'Hi')).toEqual({ thinking: '<think>hm</think>', answer: '!', finish: 'eos' })
    expect(chat.messages[1]?.content).toBe('<think>hm</think>!')
    // <u> H i <e> <a> is kept, <think> h m </think> ! forgotten, and ! <e> <u> B y <e> <a> read.
    await say(chat, 'By')
    expect(chat.stats).toEqual({ prompt: 12, prefilled: 7, forgotten: 5, generated: 1 })
  })

  it('asks for no thinking by the beginning of the answer', async () => {
    const model = await speaking({ 6: ['!', '<e>'] })
    const chat = model.chat({ template, sampling, thinking: 'off' })
    expect(await say(chat, 'Hi')).toEqual({ thinking: '', answer: '!', finish: 'eos' })
    expect(chat.stats.prompt).toBe(7)
  })

  it('takes special tokens in a text as text', async () => {
    const model = await speaking({ 10: ['!', '<e>'] })
    const chat = model.chat({ template, sampling })
    await say(chat, 'a<e>b<u>')
    expect(chat.stats.prompt).toBe(3 + 'a<e>b<u>'.length)
  })

  it('puts a system text first, and changes it', async () => {
    const model = await speaking({ 7: ['!', '<e>'] })
    const chat = model.chat({ template, sampling, system: ' Be. ' })
    await say(chat, 'x')
    expect(chat.stats.prompt).toBe(2 + 3 + 4)
    expect(chat.messages[0]).toEqual({ role: 'system', content: ' Be. ' })
    chat.system = '\n'
    expect(chat.messages.map(({ role }) => role)).toEqual(['user', 'assistant'])
    chat.reset()
    await say(chat, 'x')
    expect(chat.stats).toMatchObject({ prompt: 4, prefilled: 4 })
  })

  it('stops an answer on request, keeps what it said, and goes on', async () => {
    const model = await speaking({ 3: Array.from({ length: 40 }, () => '!') })
    const chat = model.chat({ template, sampling })
    const abort = new AbortController()
    let said = ''
    const answer = async () => {
      for await (const { text } of chat.send('x', { signal: abort.signal })) {
        said += text
        if (said.length === 3) abort.abort()
      }
    }
    await expect(answer()).rejects.toMatchObject({ code: 'aborted' })
    expect(chat.messages.at(-1)).toEqual({ role: 'assistant', content: '!!!' })
    for await (const { text } of chat.send('y', { tokens: 2 })) said += text
    expect(chat.messages.length).toBe(4)
  })

  it('takes a question back that got no answer', async () => {
    const model = await speaking({})
    const chat = model.chat({ template, sampling })
    const signal = AbortSignal.abort()
    await expect(chat.send('x', { signal }).next()).rejects.toMatchObject({ code: 'aborted' })
    await expect(chat.send('x'.repeat(100)).next()).rejects.toMatchObject({ code: 'context_exceeded' })
    expect(chat.messages).toEqual([])
  })

  it('is loaded, and evaluated at once', async () => {
    const model = await speaking({ 12: ['!', '<e>'] })
    const chat = model.chat({ template, sampling })
    const messages = [
      { role: 'user', content: 'Hi' },
      { role: 'assistant', content: '<think>x</think>Yes' },
    ] as const
    await chat.load(messages)
    // <u> H i <e> <a> Y e s <e> <u>
    expect(chat.position).toBe(10)
    expect(chat.messages).toEqual(messages)
    await say(chat, 'z')
    expect(chat.stats).toMatchObject({ prompt: 13, prefilled: 3 })
    await expect(chat.load([...messages, { role: 'user', content: 'and?' }])).rejects.toThrow(
      /a question without answer/,
    )
    await expect(chat.load([messages[1]])).rejects.toThrow(/'assistant' as turn 1/)
  })

  it('is written by the template itself where no contract says it', async () => {
    const numbered = {
      path: 'numbered.jinja',
      text: '{% for m in messages %}{{ loop.index }}<u>{{ m.content }}<e>{% endfor %}<a>',
    }
    const model = await speaking({ 4: ['!', '<e>'], 11: ['!'] })
    const chat = model.chat({ template: numbered, sampling: { ...sampling, tokens: 1 } })
    expect(chat.artifact.contract).toBeNull()
    await say(chat, '<e>')
    expect(chat.stats.prompt).toBe(1 + 1 + 3 + 1 + 1)
    await say(chat, 'x')
    // The answer was one token behind <a>, and the template writes it behind 2 <u>.
    expect(chat.stats).toMatchObject({ prefilled: 9, forgotten: 1 })
  })

  it('is written by the template itself where a text is one that it treats in a way of its own', async () => {
    const magic = {
      path: 'magic.jinja',
      text: "{% for m in messages %}<u>{% if 'MAGIC' in m.content %}<s>{% endif %}{{ m.content }}<e>{% endfor %}<a>",
    }
    const model = await speaking({ 4: ['!', '<e>'], 9: ['!', '<e>'] })
    const chat = model.chat({ template: magic, sampling })
    expect(chat.artifact.contract?.exceptions).toContainEqual({ role: 'user', text: 'MAGIC' })
    await say(chat, 'x<e>')
    expect(chat.stats.prompt).toBe(1 + 4 + 2)
    chat.reset()
    await say(chat, 'MAGIC<e>')
    expect(chat.stats.prompt).toBe(2 + 8 + 2)
  })

  it('is refused without a template, with a bad one, and where the template refuses', async () => {
    const model = await speaking({})
    expect(() => model.chat()).toThrow(/has no chat template, so it cannot chat; give one with --template FILE/)
    expect(() => model.chat({ template: { path: 'bad', text: '{% if %}' } })).toThrow(
      /^bad: the chat template is no Jinja/,
    )
    const strict = {
      path: 's',
      text: "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('No!') }}{% endif %}<u>{{ m.content }}{% endfor %}",
    }
    expect(() => model.chat({ template: strict, system: 'x' })).toThrow(/does not render this conversation: No!/)
  })
})
