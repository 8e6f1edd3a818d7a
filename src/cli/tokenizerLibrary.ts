import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import koffi from 'koffi'
import { fail } from '../base/errors.ts'
import { cachedBinary } from '../build/cachedBinary.ts'

const engine = fileURLToPath(new URL('../../src/engine/', import.meta.url))

/** Text to ids and back. */
export interface Tokenizer {
  encode(text: string, options: { readonly special?: boolean; readonly addSpecial?: boolean }): readonly number[]
  /** Refuses `token_out_of_range`. */
  decode(ids: readonly number[], options: { readonly special?: boolean }): string
}

/**
 * The engine's tokenizer over tables of `compileTokenizer`, for a checkpoint that is not built. Its C is compiled once and
 * kept in the cache. `path` is the checkpoint for messages. Refuses as `findCompiler` does, and `tokenizer_invalid`.
 */
export async function openTokenizer(blob: Uint8Array, path: string, signal: AbortSignal): Promise<Tokenizer> {
  const library = koffi.load(await compiledLibrary(signal))
  const any = 'void *'
  const open = library.func('ck_tokenizer_open', 'int', [any, 'uint64_t', any, any])
  const vocabularyOf = library.func('ck_tokenizer_vocabulary', 'int64_t', [any])
  const encode = library.func('ck_tokenizer_encode', 'int', [any, any, 'int64_t', 'int', any, 'int64_t', any, any])
  const decode = library.func('ck_tokenizer_decode', 'int', [any, any, 'int64_t', 'int', any, 'int64_t', any, any])
  const error = Buffer.alloc(512)
  const check = (status: unknown) => {
    if (status === 0) return
    const what = error.toString('utf8', 0, error.indexOf(0))
    fail('tokenizer_invalid', { path, what, accepted: 'a tokenizer that the engine can open' })
  }
  const handle = new BigUint64Array(1)
  check(open(blob, blob.length, handle, error))
  const vocabulary = Number(vocabularyOf(handle[0]))
  return {
    encode(text, { special, addSpecial }) {
      const bytes = Buffer.from(text, 'utf8')
      const flags = (addSpecial ? 1 : 0) | (special ? 2 : 0)
      const count = new BigInt64Array(1)
      const into = (ids: Int32Array) =>
        check(encode(handle[0], bytes, bytes.length, flags, ids, ids.length, count, error))
      into(new Int32Array(0))
      const ids = new Int32Array(Number(count[0]))
      into(ids)
      return [...ids]
    },
    decode(list, { special }) {
      for (const [at, id] of list.entries()) if (id >= vocabulary) fail('token_out_of_range', { id, at, vocabulary })
      const ids = Int32Array.from(list)
      const bytes = new BigInt64Array(1)
      // `blob` is named here so that it lives as long as the tables that point into it.
      const into = (text: Uint8Array) =>
        check(blob && decode(handle[0], ids, ids.length, special ? 1 : 0, text, text.length, bytes, error))
      into(new Uint8Array(0))
      const text = Buffer.alloc(Number(bytes[0]))
      into(text)
      return text.toString('utf8')
    },
  }
}

function compiledLibrary(signal: AbortSignal): Promise<string> {
  const names = readdirSync(engine).toSorted()
  const sources = names
    .filter((name) => /^(tokenizer_\w+|refuse|utf8)\.c$/.test(name))
    .map((name) => join(engine, name))
  return cachedBinary({ name: 'tokenizer', sources, includes: [engine], kind: 'library' }, signal)
}
