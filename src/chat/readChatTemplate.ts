import { fail } from '../base/errors.ts'
import type { CheckpointDescription, Json } from '../formats/checkpoint.ts'
import type { GgufValue } from '../formats/ggufValue.ts'
import { isJsonObject } from '../formats/parseJson.ts'

/** A template as a checkpoint has it. */
export interface TemplateSource {
  /** Where it stands, e.g. `tokenizer.chat_template`. */
  readonly where: string
  readonly text: string
}

/** The name of the template that chats, where a checkpoint has several. */
export const defaultTemplate = 'default'

const ggufKey = 'tokenizer.chat_template'

/**
 * The chat templates of a checkpoint by name: `default`, and variants such as `tool_use`. Empty where it has none.
 * From GGUF `tokenizer.chat_template[.NAME]`; from a transformers folder `chat_template.jinja`, else `chat_template` of
 * tokenizer_config.json, a text or a list of named ones. Refuses `config_invalid`.
 */
export function readChatTemplates(
  description: CheckpointDescription,
  path: string,
): ReadonlyMap<string, TemplateSource> {
  const found = new Map<string, TemplateSource>()
  const add = (name: string, where: string, text: unknown) => {
    if (typeof text === 'string' && text !== '') found.set(name, { where, text })
    else if (text !== undefined && text !== '') {
      fail('config_invalid', { path, key: where, found: `a ${typeof text}`, accepted: 'the text of a template' })
    }
  }
  if (description.format === 'gguf') {
    for (const [key, value] of description.metadata) {
      if (key === ggufKey) add(defaultTemplate, key, value)
      else if (key.startsWith(`${ggufKey}.`)) add(key.slice(ggufKey.length + 1), key, value)
    }
    return found
  }
  const { tokenizerConfig, chatTemplate } = description
  addConfigured(isJsonObject(tokenizerConfig) ? tokenizerConfig.chat_template : undefined, add)
  // The file of its own is what transformers writes and reads first.
  add(defaultTemplate, 'chat_template.jinja', chatTemplate)
  return found
}

/** The GGUF keys of a checkpoint's chat templates. Refuses as `readChatTemplates`. */
export function chatTemplateKeys(description: CheckpointDescription, path: string): Record<string, GgufValue> {
  const keys = [...readChatTemplates(description, path)].map(([name, { text }]) => {
    const key = name === defaultTemplate ? ggufKey : `${ggufKey}.${name}`
    return [key, { type: 'string', value: text } as const] as const
  })
  return Object.fromEntries(keys)
}

function addConfigured(value: Json | undefined, add: (name: string, where: string, text: unknown) => void): void {
  const where = 'chat_template'
  if (!Array.isArray(value)) {
    if (value !== undefined && value !== null) add(defaultTemplate, where, value)
    return
  }
  for (const entry of value as readonly Json[]) {
    const { name, template } = isJsonObject(entry) ? entry : {}
    if (typeof name === 'string') add(name, `${where}[${name}]`, template ?? null)
  }
}
