import { existsSync, readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fail } from '../../base/errors.ts'
import { statPath } from '../../formats/byteSource.ts'
import type { Json } from '../../formats/checkpoint.ts'
import { parseJson } from '../../formats/parseJson.ts'
import { readTokenizer } from '../../tokenizer/readTokenizer.ts'

/** What a folder takes over with a tokenizer, where it is there. */
const besides = ['tokenizer_config.json', 'special_tokens_map.json', 'chat_template.jinja'] as const

/** A tokenizer as a model's folder has it. */
export interface TokenizerFiles {
  readonly files: ReadonlyMap<string, Uint8Array>
  /** Ids are below this. */
  readonly vocabulary: number
  /** Keys of config.json that the tokenizer answers. */
  readonly config: { readonly [key: string]: Json }
}

/**
 * Reads a tokenizer.json, or that of a folder, and what stands beside it. Refuses `file_missing`, `file_malformed` and
 * `tokenizer_invalid`.
 */
export function readTokenizerFiles(path: string): TokenizerFiles {
  const file = statPath(path).isDirectory() ? join(path, 'tokenizer.json') : path
  if (!existsSync(file)) fail('tokenizer_missing', { path })
  const folder = dirname(file)
  const found = besides.filter((name) => existsSync(join(folder, name)))
  const files = new Map([['tokenizer.json', new Uint8Array(readFileSync(file))]])
  // A tokenizer of another name has no files of its own beside it.
  const isOwn = basename(file) === 'tokenizer.json'
  if (isOwn) for (const name of found) files.set(name, new Uint8Array(readFileSync(join(folder, name))))
  const text = (name: string) => {
    const bytes = files.get(name)
    return bytes && Buffer.from(bytes).toString('utf8')
  }
  const settings = text('tokenizer_config.json')
  const contract = readTokenizer(
    {
      format: 'transformers',
      config: {},
      tokenizer: parseJson(file, text('tokenizer.json') ?? '', 'the file'),
      ...(settings === undefined
        ? {}
        : { tokenizerConfig: parseJson(join(folder, 'tokenizer_config.json'), settings, 'the file') }),
    },
    file,
  )
  if (!contract) return fail('tokenizer_missing', { path })
  const { pieces, bos, eos, ends } = contract
  const end = eos >= 0 ? eos : ([...ends][0] ?? -1)
  return {
    files,
    vocabulary: pieces.length,
    config: { ...(bos >= 0 ? { bos_token_id: bos } : {}), ...(end >= 0 ? { eos_token_id: end } : {}) },
  }
}
