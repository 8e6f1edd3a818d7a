import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fail } from '../../base/errors.ts'
import {
  type ChatArtifact,
  type GivenTemplate,
  makeChatArtifact,
  makeGivenArtifact,
  readChatArtifact,
} from '../../chat/chatArtifact.ts'
import { readBumpHeader } from '../../formats/bump.ts'
import { openFile, statPath } from '../../formats/byteSource.ts'
import type { CheckpointDescription, Json } from '../../formats/checkpoint.ts'
import { parseJson, readText } from '../../formats/parseJson.ts'
import { openTokenizer, type Tokenizer } from '../../run/tokenizerLibrary.ts'
import { compileTokenizer, readTokenizer } from '../../tokenizer/tokenizer.ts'
import { openTrained } from '../export/openTrained.ts'

/** A tokenizer, and how its model chats. */
export interface DataTokenizer {
  readonly tokenizer: Tokenizer
  /** What the tokenizer runs on, for `openTokenizer`. */
  readonly tables: Uint8Array
  /** Of the tables, hex. */
  readonly sha256: string
  readonly path: string
  /** Undefined where the model has no chat template. */
  readonly chat: ChatArtifact | undefined
}

/**
 * The tokenizer of a run folder, of a checkpoint or a training, or of a `tokenizer.json`, with the chat template that stands beside it or
 * was `given`. Nothing of the model is compiled. Refuses `tokenizer_missing`, `tokenizer_invalid`, and as `openTrained`.
 */
export async function openDataTokenizer(
  path: string,
  { template, signal }: { readonly template?: GivenTemplate; readonly signal: AbortSignal },
): Promise<DataTokenizer> {
  const { tables, chat } = existsSync(join(path, 'manifest.json'))
    ? readRunFolder(path, template)
    : readDescription(path, template)
  const sha256 = createHash('sha256').update(tables).digest('hex')
  return { tokenizer: await openTokenizer(tables, path, signal), tables, sha256, path, chat }
}

interface Found {
  readonly tables: Uint8Array
  readonly chat: ChatArtifact | undefined
}

function readRunFolder(dir: string, template: GivenTemplate | undefined): Found {
  const path = join(dir, 'weights.bump')
  const { tokenizerOffset, tokenizerBytes } = readBumpHeader(path)
  if (tokenizerBytes === 0) fail('tokenizer_missing', { path: dir })
  const source = openFile(path)
  const tables = new Uint8Array(tokenizerBytes)
  source.read(tokenizerOffset, tables)
  source.close()
  const file = join(dir, 'chat.json')
  const own = existsSync(file)
    ? readChatArtifact(parseJson(file, readFileSync(file, 'utf8'), 'the file'), dir)
    : undefined
  const { bosToken, eosToken } = own ?? {}
  return { tables, chat: template ? makeGivenArtifact(template, { bosToken, eosToken }) : own }
}

function readDescription(path: string, template: GivenTemplate | undefined): Found {
  const found = (description: CheckpointDescription): Found => {
    const contract = readTokenizer(description, path)
    if (!contract) return fail('tokenizer_missing', { path })
    return { tables: compileTokenizer(contract), chat: makeChatArtifact(description, path, template) }
  }
  const isFolder = statPath(path).isDirectory()
  // Of a fresh tokenizer there is no checkpoint yet.
  const isBare = isFolder
    ? existsSync(join(path, 'tokenizer.json')) && !existsSync(join(path, 'config.json'))
    : path.endsWith('.json')
  if (isBare) return found(describeBare(isFolder ? join(path, 'tokenizer.json') : path))
  const { checkpoint } = openTrained(path, 'weight')
  try {
    return found(checkpoint.description)
  } finally {
    checkpoint.close()
  }
}

const mostBytes = 64 * 2 ** 20

function describeBare(file: string): CheckpointDescription {
  const folder = dirname(file)
  const read = (file: string) => {
    const source = openFile(file)
    try {
      return readText(source, mostBytes)
    } finally {
      source.close()
    }
  }
  const beside = (name: string): Json | undefined => {
    const file = join(folder, name)
    return existsSync(file) ? parseJson(file, read(file), 'the file') : undefined
  }
  const tokenizerConfig = beside('tokenizer_config.json')
  const templateFile = join(folder, 'chat_template.jinja')
  return {
    format: 'transformers',
    config: {},
    tokenizer: parseJson(file, read(file), 'the file'),
    ...(tokenizerConfig === undefined ? {} : { tokenizerConfig }),
    ...(existsSync(templateFile) ? { chatTemplate: read(templateFile) } : {}),
  }
}
