import { readFileSync } from 'node:fs'
import { defaultTemplate, readChatTemplates } from '../../chat/readChatTemplate.ts'
import type { Checkpoint, CheckpointDescription, Json } from '../../formats/checkpoint.ts'
import type { FolderExtras } from '../../templates/writeTransformers.ts'
import type { TokenizerContract } from '../../tokenizer/contract.ts'
import { readGgufTokenizer } from '../../tokenizer/readGgufTokenizer.ts'
import { writeJsonTokenizer, writtenText } from '../../tokenizer/writeJsonTokenizer.ts'
import { besidesOf } from './modelFolder.ts'

/** Keys of config.json that name tokens. */
const idKeys = ['bos_token_id', 'eos_token_id', 'pad_token_id']

/** Files that the model itself writes. */
const ofModel = ['config.json', '1_Pooling/config.json']

/**
 * What a transformers folder of a checkpoint gets besides the model: the tokenizer, how it chats, and which tokens end a
 * text. A folder's own files are copied; those of a GGUF file are made of its keys. `context`: tokens of the model. Refuses
 * `tokenizer_invalid`.
 */
export function folderExtras(checkpoint: Checkpoint, context: number): FolderExtras {
  const { description, path } = checkpoint
  if (description.format === 'transformers') return fromFolder(checkpoint, description.config)
  const contract = readGgufTokenizer(description.metadata, path)
  const chat = chatFiles(description, path)
  return contract ? fromContract(contract, chat, context) : {}
}

type Files = ReadonlyMap<string, Uint8Array>

function fromFolder(checkpoint: Checkpoint, config: { readonly [key: string]: Json }): FolderExtras {
  const files = [...besidesOf(checkpoint)].filter(([name]) => !ofModel.includes(name))
  const bytes = files.map(([name, file]) => [name, typeof file === 'string' ? readFileSync(file) : file] as const)
  // A folder with a vision tower has the ids beside, or in, what it says of its language model.
  const text = config.text_config
  const inner = typeof text === 'object' && text !== null ? (text as { readonly [key: string]: Json }) : {}
  const ids = idKeys.flatMap((key) => {
    const value = config[key] ?? inner[key]
    return value === undefined || value === null ? [] : [[key, value] as const]
  })
  return { config: Object.fromEntries(ids), files: new Map(bytes) }
}

function fromContract(contract: TokenizerContract, chat: ChatFiles, context: number): FolderExtras {
  const { bos, eos, unknown, ends, pieces } = contract
  const text = (id: number) => (id < 0 ? null : writtenText(contract, pieces[id]!))
  const named = Object.entries({ bos_token: text(bos), eos_token: text(eos), unk_token: text(unknown) })
  const settings = {
    tokenizer_class: 'PreTrainedTokenizerFast',
    ...Object.fromEntries(named.filter(([, token]) => token !== null)),
    clean_up_tokenization_spaces: false,
    model_max_length: context,
    ...chat.settings,
  }
  const ids = {
    ...(bos < 0 ? {} : { bos_token_id: bos }),
    ...(eos < 0 ? {} : { eos_token_id: eos }),
  }
  const generation = { ...ids, ...(ends.length > 1 ? { eos_token_id: [...ends] } : {}) }
  const files: Files = new Map([
    ['tokenizer.json', json(writeJsonTokenizer(contract))],
    ['tokenizer_config.json', json(settings)],
    ['generation_config.json', json(generation)],
    ...chat.files,
  ])
  return { config: ids, files }
}

interface ChatFiles {
  readonly files: Files
  /** Of tokenizer_config.json. */
  readonly settings: { readonly [key: string]: Json }
}

/** One template has a file of its own; of several all stand in the settings. */
function chatFiles(description: CheckpointDescription, path: string): ChatFiles {
  const templates = [...readChatTemplates(description, path)]
  const [first] = templates
  if (templates.length === 1 && first?.[0] === defaultTemplate)
    return { files: new Map([['chat_template.jinja', Buffer.from(first[1].text)]]), settings: {} }
  const list = templates.map(([name, { text }]) => ({ name, template: text }))
  return { files: new Map(), settings: list.length > 0 ? { chat_template: list } : {} }
}

const json = (value: Json) => Buffer.from(`${JSON.stringify(value, null, 2)}\n`)
