/** llama.cpp as a peer: the prebuilt libraries that bench/ installs, called through their C API. No sampling, no wrapper. */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import koffi, { type LibraryHandle, type TypeObject } from 'koffi'
import { fail } from '../../base/errors.ts'
import { packageRoot } from '../../base/packageRoot.ts'
import { batchType, contextParams, modelParams, type Params, verifyLayouts } from './llamaCppLayout.ts'

/** How a context is opened. Flash attention is on and the cache f16 unless said otherwise. */
export interface PeerOptions {
  readonly threads: number
  /** Tokens that it holds. */
  readonly context: number
  /** Ids of one llama_decode. Default 512. */
  readonly batch?: number
  readonly flashAttention?: boolean
  readonly cache?: 'f16' | 'f32'
}

/** One cache and its threads. */
export interface PeerContext {
  /** Forgets every token from `position` on. */
  rewind(position: number): void
  /** Feeds ids in batches behind what is held; seconds. */
  append(ids: Int32Array): number
  /** Feeds ids one by one behind what is held; seconds. */
  decode(ids: Int32Array): number
  /** Logits of the token that was fed last; a copy. */
  last(): Float32Array
  close(): void
}

/** The loaded library, which cannot be unloaded: to be loaded once in a process. */
export interface Peer {
  /** With its version. */
  readonly name: string
  /** Loads a GGUF file. Refuses `peer_failed` with what it says itself. */
  openModel(path: string): PeerModel
}

/** A model file in llama.cpp. */
export interface PeerModel {
  readonly vocabulary: number
  open(options: PeerOptions): PeerContext
  /** A row of logits per id, from a cache of their own. */
  logits(ids: Int32Array, options: PeerOptions): readonly Float32Array[]
  /** Ids of a text with the special tokens that the file asks for around it. */
  tokenize(text: string): Int32Array
  close(): void
}

const peer = 'llama.cpp'
const ggmlType = { f32: 0, f16: 1 } as const

/** Where bench/ has the libraries. */
const folder = join(packageRoot, 'bench/node_modules/@node-llama-cpp/linux-x64/bins/linux-x64')

type Api = ReturnType<typeof bindLibrary>

function bindLibrary() {
  const ggml = load(/^libggml\.v.*\.so$/)
  const llama = load(/^libllama\.v.*\.so$/)
  const log: string[] = []
  const onLog = koffi.register(
    (_level: number, text: string) => void log.push(text),
    koffi.pointer(koffi.proto('void ggml_log(int level, const char *text, void *data)')),
  )
  const bind =
    (library: LibraryHandle) =>
    <R = number>(name: string, result: string | TypeObject, parameters: readonly (string | TypeObject)[]) =>
      library.func(name, result, [...parameters]) as unknown as (...values: unknown[]) => R
  const native = bind(llama)
  const any = 'void *'
  native('llama_log_set', 'void', [any, any])(onLog, null)
  // Loads the variant of the CPU library that suits this machine best.
  bind(ggml)('ggml_backend_load_all_from_path', 'void', ['str'])(folder)
  native('llama_backend_init', 'void', [])()
  const api = {
    /** What the library has said, for a failure's message. */
    log,
    version: native<string>('llama_version', 'str', []),
    modelDefaults: native<Params>('llama_model_default_params', modelParams, []),
    contextDefaults: native<Params>('llama_context_default_params', contextParams, []),
    loadModel: native<bigint | null>('llama_model_load_from_file', any, ['str', modelParams]),
    freeModel: native('llama_model_free', 'void', [any]),
    openContext: native<bigint | null>('llama_init_from_model', any, [any, contextParams]),
    freeContext: native('llama_free', 'void', [any]),
    vocab: native<bigint>('llama_model_get_vocab', any, [any]),
    vocabulary: native('llama_vocab_n_tokens', 'int32_t', [any]),
    memory: native<bigint>('llama_get_memory', any, [any]),
    remove: native<boolean>('llama_memory_seq_rm', 'bool', [any, 'int32_t', 'int32_t', 'int32_t']),
    decode: native('llama_decode', 'int32_t', [any, batchType]),
    logits: native<bigint | null>('llama_get_logits_ith', any, [any, 'int32_t']),
    contextLength: native('llama_n_ctx', 'uint32_t', [any]),
    batchLength: native('llama_n_batch', 'uint32_t', [any]),
    threads: native('llama_n_threads', 'int32_t', [any]),
    tokenize: native('llama_tokenize', 'int32_t', [any, any, 'int32_t', any, 'int32_t', 'bool', 'bool']),
  }
  verifyLayouts(api.modelDefaults(), api.contextDefaults())
  return api
}

function load(pattern: RegExp): LibraryHandle {
  const file = existsSync(folder) ? readdirSync(folder).find((name) => pattern.test(name)) : undefined
  if (file === undefined) return refuseMissing('bench/node_modules has no library of it')
  try {
    return koffi.load(join(folder, file))
  } catch (cause) {
    return refuseMissing(cause instanceof Error ? cause.message : String(cause))
  }
}

function refuseMissing(found: string): never {
  return fail('peer_missing', { peer, found, command: 'npm install --prefix bench' })
}

/** Loads llama.cpp. Refuses `peer_missing` where bench/ has not installed it, and `peer_failed` where it is another version. */
export function loadLlamaCpp(): Peer {
  const api = bindLibrary()
  return { name: `${peer} ${api.version()}`, openModel: (path) => openModel(api, path) }
}

function openModel(api: Api, path: string): PeerModel {
  const must = <T>(what: string, open: () => T | null): T => {
    const from = api.log.length
    const result = open()
    if (result) return result
    const said = api.log.slice(from).slice(-6).join('').trim().replaceAll('\n', '; ')
    return fail('peer_failed', { peer, what: `cannot ${what}${said ? ` (${said})` : ''}` })
  }
  const model = must(`load ${path}`, () => api.loadModel(path, { ...api.modelDefaults(), n_gpu_layers: 0 }))
  const vocabulary = api.vocabulary(api.vocab(model))

  const openContext = (options: PeerOptions, changes: Params): bigint => {
    const { threads, context, flashAttention = true, cache = 'f16' } = options
    const batch = Math.min(options.batch ?? 512, context)
    return must('open a context', () =>
      api.openContext(model, {
        ...api.contextDefaults(),
        ...{ n_ctx: context, n_batch: batch, n_ubatch: batch, n_threads: threads, n_threads_batch: threads },
        ...{ flash_attn_type: flashAttention ? 1 : 0, type_k: ggmlType[cache], type_v: ggmlType[cache] },
        ...changes,
      }),
    )
  }
  const feed = (context: bigint, ids: Int32Array, wanted: Int8Array | null) => {
    const ends = { embd: null, pos: null, n_seq_id: null, seq_id: null, logits: wanted }
    const status = api.decode(context, { n_tokens: ids.length, token: ids, ...ends })
    if (status !== 0)
      fail('peer_failed', { peer, what: `llama_decode gave ${status} (${api.log.slice(-4).join('').trim()})` })
  }
  const row = (context: bigint, index: number): Float32Array => {
    const pointer = must('give logits', () => api.logits(context, index))
    return Float32Array.from(koffi.decode(pointer, koffi.array('float', vocabulary, 'Typed')) as Float32Array)
  }

  return {
    vocabulary,
    open(options) {
      const context = openContext(options, {})
      const batch = Math.min(options.batch ?? 512, options.context)
      const isTaken =
        api.contextLength(context) >= options.context &&
        api.batchLength(context) === batch &&
        api.threads(context) === options.threads
      if (!isTaken)
        fail('peer_failed', { peer, what: 'did not take the context parameters: the structure has changed' })
      const memory = api.memory(context)
      return {
        rewind(position) {
          if (!api.remove(memory, 0, position, -1)) fail('peer_failed', { peer, what: `cannot rewind to ${position}` })
        },
        append: (ids) =>
          timed(() => {
            for (let from = 0; from < ids.length; from += batch) feed(context, ids.slice(from, from + batch), null)
          }),
        decode: (ids) =>
          timed(() => {
            for (const id of ids) feed(context, Int32Array.of(id), null)
          }),
        last: () => row(context, -1),
        close: () => void api.freeContext(context),
      }
    },
    logits(ids, options) {
      const all = ids.length
      const context = openContext({ ...options, context: all, batch: all }, { n_outputs_max_per_seq: 0 })
      try {
        feed(context, ids, new Int8Array(all).fill(1))
        return Array.from(ids, (_, index) => row(context, index))
      } finally {
        api.freeContext(context)
      }
    },
    tokenize(text) {
      const bytes = Buffer.from(text, 'utf8')
      const ids = new Int32Array(bytes.length + 8)
      const count = api.tokenize(api.vocab(model), bytes, bytes.length, ids, ids.length, true, false)
      if (count < 0) fail('peer_failed', { peer, what: `wants ${-count} tokens for ${bytes.length} bytes` })
      return ids.slice(0, count)
    },
    close: () => void api.freeModel(model),
  }
}

function timed(work: () => void): number {
  const from = process.hrtime.bigint()
  work()
  return Number(process.hrtime.bigint() - from) / 1e9
}
