import { createHash, randomUUID } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import koffi from 'koffi'
import { fail } from '../base/errors.ts'
import { makeFolder } from '../base/makeFolder.ts'
import { cacheFolder } from '../build/cacheFolder.ts'
import { findCompiler, refuseFailed } from '../build/compiler.ts'
import { runCommand } from '../build/runCommand.ts'

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

async function compiledLibrary(signal: AbortSignal): Promise<string> {
  const names = readdirSync(engine).toSorted()
  const sources = names.filter((name) => /^(tokenizer_\w+|refuse|utf8)\.c$/.test(name))
  const hash = createHash('sha256').update(`${process.platform} ${process.arch}`)
  for (const name of [...sources, ...names.filter((header) => header.endsWith('.h'))]) {
    hash.update(`${name};`).update(readFileSync(join(engine, name)))
  }
  const dir = join(cacheFolder(), 'tokenizer')
  const library = join(dir, `${hash.digest('hex')}.so`)
  if (existsSync(library)) return library
  orRefuse(dir, () => makeFolder(dir))
  const { command } = await findCompiler()
  const partial = `${library}.building-${randomUUID()}`
  try {
    const flags = ['-std=c11', '-O2', '-fPIC', '-shared', '-I.', ...sources, '-lm', '-o', partial]
    const outcome = await runCommand([...command, ...flags], { cwd: engine, signal })
    if (outcome.status === 'missing') return fail('compiler_missing', { tried: command.join(' ') })
    if (outcome.code !== 0) refuseFailed([...command, ...flags], outcome.output)
    orRefuse(library, () => renameSync(partial, library))
    return library
  } finally {
    rmSync(partial, { force: true })
  }
}

function orRefuse(path: string, action: () => void): void {
  try {
    action()
  } catch (error) {
    fail('write_failed', {
      path,
      cause: error instanceof Error && 'code' in error ? String(error.code) : String(error),
    })
  }
}
