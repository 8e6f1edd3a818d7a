import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import koffi from 'koffi'
import { fail } from '../base/errors.ts'
import { sourceFolder } from '../base/packageRoot.ts'
import { cachedBinary } from '../build/cachedBinary.ts'
import { addSpecialFlag, continuesFlag, parseSpecialFlag, type TextPart } from './library.ts'

const partsType = koffi.struct({ ends: 'const int64_t *', special: 'const int32_t *', count: 'int32_t' })
const engine = join(sourceFolder, 'engine')

/** Text to ids and back. */
export interface Tokenizer {
  /** Ids are below this. */
  readonly vocabulary: number
  /** The token that ends texts; -1: none. */
  readonly eos: number
  encode(text: string, options: { readonly special?: boolean; readonly addSpecial?: boolean }): readonly number[]
  /**
   * The ids of a text in parts: special tokens count only where a part says so, and words go over the ends of parts. The
   * text is a start unless it `continues` other ids.
   */
  encodeParts(
    parts: readonly TextPart[],
    options?: { readonly continues?: boolean; readonly addSpecial?: boolean },
  ): Int32Array
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
  const eosOf = library.func('ck_tokenizer_eos', 'int32_t', [any])
  const joined = [any, any, koffi.pointer(partsType), 'int', any, 'int64_t', any, any]
  const encodeParts = library.func('ck_tokenizer_encode_parts', 'int', joined)
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
    vocabulary,
    eos: Number(eosOf(handle[0])),
    encodeParts(parts, { continues, addSpecial } = {}) {
      const pieces = parts.map(({ text }) => Buffer.from(text, 'utf8'))
      const bytes = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces)
      let end = 0n
      const ends = BigInt64Array.from(pieces, ({ length }) => {
        end += BigInt(length)
        return end
      })
      const special = Int32Array.from(parts, (part) => Number(part.special))
      const flags = (addSpecial ? addSpecialFlag : 0) | (continues ? continuesFlag : 0)
      const count = new BigInt64Array(1)
      const into = (ids: Int32Array) => {
        const table = { ends, special, count: parts.length }
        check(encodeParts(handle[0], bytes, table, flags, ids, ids.length, count, error))
        return Number(count[0])
      }
      // A token seldom has less than a byte of text, so that one call is enough.
      let ids = new Int32Array(bytes.length + 8)
      const needed = into(ids)
      if (needed > ids.length) {
        ids = new Int32Array(needed)
        into(ids)
      }
      return ids.slice(0, needed)
    },
    encode(text, { special, addSpecial }) {
      const bytes = Buffer.from(text, 'utf8')
      const flags = (addSpecial ? addSpecialFlag : 0) | (special ? parseSpecialFlag : 0)
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
