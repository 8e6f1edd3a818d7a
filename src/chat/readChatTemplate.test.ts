import { describe, expect, it } from 'vitest'
import type { Json, MetadataValue } from '../formats/checkpoint.ts'
import { makeChatArtifact } from './chatArtifact.ts'
import { describeChat } from './describeChat.ts'
import { chatTemplateKeys, readChatTemplates } from './readChatTemplate.ts'

const gguf = (metadata: Readonly<Record<string, MetadataValue>>) =>
  ({ format: 'gguf', metadata: new Map(Object.entries(metadata)), types: new Map() }) as const
const folder = (tokenizerConfig: Json, chatTemplate?: string) =>
  ({ format: 'transformers', config: {}, tokenizerConfig, ...(chatTemplate ? { chatTemplate } : {}) }) as const

describe('the chat templates of a checkpoint', () => {
  it('are read from GGUF, with their variants', () => {
    const key = 'tokenizer.chat_template'
    const found = readChatTemplates(gguf({ [key]: 'A', [`${key}.tool_use`]: 'B', [`${key}s`]: ['tool_use'] }), 'm')
    expect([...found]).toEqual([
      ['default', { where: key, text: 'A' }],
      ['tool_use', { where: `${key}.tool_use`, text: 'B' }],
    ])
    expect(readChatTemplates(gguf({}), 'm').size).toBe(0)
  })

  it('are read from a transformers folder: a text, a list, or a file of its own before both', () => {
    expect(readChatTemplates(folder({ chat_template: 'A' }), 'm').get('default')?.text).toBe('A')
    const list = [
      { name: 'default', template: 'A' },
      { name: 'rag', template: 'B' },
    ]
    expect(readChatTemplates(folder({ chat_template: list }), 'm').get('rag')?.where).toBe('chat_template[rag]')
    expect(readChatTemplates(folder({ chat_template: list }, 'C'), 'm').get('default')).toEqual({
      where: 'chat_template.jinja',
      text: 'C',
    })
    expect(readChatTemplates(folder({ chat_template: null }), 'm').size).toBe(0)
    expect(() => readChatTemplates(folder({ chat_template: 7 }), 'm')).toThrow(/'chat_template' is a number; accepted/)
  })

  it('are written to GGUF under the keys that they are read from', () => {
    const list = [
      { name: 'tool_use', template: 'B' },
      { name: 'default', template: 'A' },
    ]
    const keys = chatTemplateKeys(folder({ chat_template: list }), 'm')
    const values = Object.fromEntries(Object.entries(keys).map(([key, { value }]) => [key, value as string]))
    expect(values).toEqual({ 'tokenizer.chat_template': 'A', 'tokenizer.chat_template.tool_use': 'B' })
    expect(readChatTemplates(gguf(values), 'm').get('tool_use')?.text).toBe('B')
  })

  it('get the texts of the tokens that begin and end texts', () => {
    const template = '{% for m in messages %}{{ bos_token }}{{ m.content }}{{ eos_token }}{% endfor %}'
    const made = [
      makeChatArtifact(folder({ chat_template: template, bos_token: '<s>', eos_token: { content: '</s>' } }), 'm'),
      makeChatArtifact(
        gguf({
          ...{ 'tokenizer.chat_template': template, 'tokenizer.ggml.tokens': ['x', '<s>', '</s>'] },
          ...{ 'tokenizer.ggml.bos_token_id': 1, 'tokenizer.ggml.eos_token_id': 2 },
        }),
        'm',
      ),
    ]
    for (const artifact of made) expect(artifact).toMatchObject({ bosToken: '<s>', eosToken: '</s>' })
  })

  it('that cannot be read are recorded with the reason, and refused where they were given', () => {
    const artifact = makeChatArtifact(gguf({ 'tokenizer.chat_template': '{% if %}' }), 'm')
    expect(artifact).toMatchObject({ contract: null, isInvalid: true })
    expect(describeChat(artifact!)).toMatch(/^no: tokenizer.chat_template: the chat template is no Jinja: [^\n]+$/)
    const given = { path: 'a/b.jinja', text: '{% if %}' }
    expect(() => makeChatArtifact(gguf({}), 'm', given)).toThrow(/^a\/b\.jinja: the chat template is no Jinja/)
  })
})
