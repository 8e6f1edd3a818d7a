// llama.cpp as a peer: its prebuilt libraries, called through their C API.
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
// @ts-expect-error: the package ships no types.
import { getBinsDir } from '@node-llama-cpp/linux-x64'
import koffi from 'koffi'
import { Batch, ContextParams, ModelParams, verifyLayouts } from './llamaCppLayout.mjs'

/**
 * @typedef {object} Peer
 * @property {string} name
 * @property {number} vocabulary
 * @property {(ids: Int32Array) => number | Promise<number>} prefill empties the cache, feeds the ids in batches; seconds
 * @property {(ids: Int32Array) => number | Promise<number>} decode feeds the ids one by one behind the cache; seconds per token
 * @property {(ids: Int32Array) => Float32Array[]} logits one row per id, from an empty cache of their own
 * @property {() => Float32Array} last logits of the token that was fed last; a copy
 * @property {() => void} close
 */

const ggmlType = { f32: 0, f16: 1 }

/** Loads the libraries once; picks the best CPU variant as llama.cpp itself does. */
function openLibrary() {
  const folder = join(getBinsDir().binsDir, 'linux-x64')
  const files = existsSync(folder) ? readdirSync(folder) : []
  const find = (/** @type {RegExp} */ pattern) => {
    const file = files.find((name) => pattern.test(name))
    if (!file) throw new Error(`no ${pattern} in the llama.cpp package: run npm install in bench/`)
    return koffi.load(join(folder, file))
  }
  const ggml = find(/^libggml\.v.*\.so$/)
  const llama = find(/^libllama\.v.*\.so$/)
  /** @type {string[]} */
  const log = []
  const Log = koffi.proto('void ggml_log(int level, const char *text, void *data)')
  const onLog = koffi.register((/** @type {number} */ _level, /** @type {string} */ text) => {
    log.push(text)
  }, koffi.pointer(Log))
  llama.func('llama_log_set', 'void', ['void *', 'void *'])(onLog, null)
  ggml.func('ggml_backend_load_all_from_path', 'void', ['str'])(folder)
  llama.func('llama_backend_init', 'void', [])()

  const library = {
    log,
    version: llama.func('llama_version', 'str', []),
    systemInfo: llama.func('llama_print_system_info', 'str', []),
    modelDefaults: llama.func('llama_model_default_params', ModelParams, []),
    contextDefaults: llama.func('llama_context_default_params', ContextParams, []),
    loadModel: llama.func('llama_model_load_from_file', 'void *', ['str', ModelParams]),
    freeModel: llama.func('llama_model_free', 'void', ['void *']),
    openContext: llama.func('llama_init_from_model', 'void *', ['void *', ContextParams]),
    freeContext: llama.func('llama_free', 'void', ['void *']),
    vocab: llama.func('llama_model_get_vocab', 'void *', ['void *']),
    vocabulary: llama.func('llama_vocab_n_tokens', 'int32_t', ['void *']),
    memory: llama.func('llama_get_memory', 'void *', ['void *']),
    clear: llama.func('llama_memory_clear', 'void', ['void *', 'bool']),
    decode: llama.func('llama_decode', 'int32_t', ['void *', Batch]),
    logits: llama.func('llama_get_logits_ith', 'void *', ['void *', 'int32_t']),
    contextLength: llama.func('llama_n_ctx', 'uint32_t', ['void *']),
    batchLength: llama.func('llama_n_batch', 'uint32_t', ['void *']),
    threads: llama.func('llama_n_threads', 'int32_t', ['void *']),
    tokenize: llama.func('llama_tokenize', 'int32_t', [
      'void *',
      'void *',
      'int32_t',
      'void *',
      'int32_t',
      'bool',
      'bool',
    ]),
  }
  verifyLayouts(library.modelDefaults(), library.contextDefaults())
  return library
}

/** @type {ReturnType<typeof openLibrary> | undefined} */
let library

/** The one instance of the loaded library. It cannot be unloaded, so it lives as long as the process. */
export function llamaCpp() {
  library ??= openLibrary()
  return library
}

/**
 * A model in llama.cpp.
 * @param {string} path GGUF file
 * @param {{ threads?: number, context?: number, batch?: number, flashAttention?: boolean, cache?: 'f16' | 'f32' }} [options]
 * @returns {Peer & { tokenize(text: string): Int32Array }}
 */
export function openPeer(path, options = {}) {
  const { threads = 2, context = 1024, batch = 512, flashAttention = true, cache = 'f16' } = options
  const api = llamaCpp()
  const step = Math.min(batch, context)
  /** @param {() => unknown} open @param {string} what */
  const must = (open, what) => {
    const from = api.log.length
    const result = open()
    if (!result) throw new Error(`llama.cpp cannot ${what}:\n${api.log.slice(from).slice(-12).join('')}`)
    return result
  }
  const model = must(() => api.loadModel(path, { ...api.modelDefaults(), n_gpu_layers: 0 }), `load ${path}`)
  const openContext = (/** @type {object} */ changes) =>
    must(
      () =>
        api.openContext(model, {
          ...api.contextDefaults(),
          n_ctx: context,
          n_batch: step,
          n_ubatch: Math.min(step, 512),
          n_threads: threads,
          n_threads_batch: threads,
          flash_attn_type: flashAttention ? 1 : 0,
          type_k: ggmlType[cache],
          type_v: ggmlType[cache],
          ...changes,
        }),
      'open a context',
    )
  const main = openContext({})
  if (api.contextLength(main) < context || api.batchLength(main) !== step || api.threads(main) !== threads) {
    throw new Error('llama.cpp did not take the context parameters: the structure has changed')
  }
  const vocabulary = api.vocabulary(api.vocab(model))

  /** @param {unknown} target @param {Int32Array} ids @param {Int8Array | null} wanted */
  const feed = (target, ids, wanted) => {
    const status = api.decode(target, {
      n_tokens: ids.length,
      token: ids,
      embd: null,
      pos: null,
      n_seq_id: null,
      seq_id: null,
      logits: wanted,
    })
    if (status !== 0) throw new Error(`llama_decode gave ${status}:\n${api.log.slice(-8).join('')}`)
  }
  /** @param {unknown} target @param {number} row @returns {Float32Array} */
  const row = (target, row) => {
    const pointer = must(() => api.logits(target, row), 'give logits')
    return Float32Array.from(koffi.decode(pointer, koffi.array('float', vocabulary, 'Typed')))
  }
  const timed = (/** @type {() => void} */ work) => {
    const from = process.hrtime.bigint()
    work()
    return Number(process.hrtime.bigint() - from) / 1e9
  }

  return {
    name: `llama.cpp ${api.version()}`,
    vocabulary,
    prefill(ids) {
      api.clear(api.memory(main), false)
      return timed(() => {
        for (let from = 0; from < ids.length; from += step) feed(main, ids.slice(from, from + step), null)
      })
    },
    decode(ids) {
      return (
        timed(() => {
          for (const id of ids) feed(main, Int32Array.of(id), null)
        }) / ids.length
      )
    },
    logits(ids) {
      const own = openContext({
        n_ctx: ids.length,
        n_batch: ids.length,
        n_ubatch: ids.length,
        n_outputs_max_per_seq: 0,
      })
      try {
        feed(own, ids, new Int8Array(ids.length).fill(1))
        return Array.from(ids, (_, index) => row(own, index))
      } finally {
        api.freeContext(own)
      }
    },
    last: () => row(main, -1),
    tokenize(text) {
      const bytes = Buffer.from(text, 'utf8')
      const ids = new Int32Array(bytes.length + 8)
      const count = api.tokenize(api.vocab(model), bytes, bytes.length, ids, ids.length, true, false)
      if (count < 0) throw new Error(`llama.cpp wants ${-count} tokens for ${bytes.length} bytes`)
      return ids.slice(0, count)
    },
    close() {
      api.freeContext(main)
      api.freeModel(model)
    },
  }
}
