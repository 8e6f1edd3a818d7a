// Writes a random GGUF of the shape of Qwen3-0.6B, for speed and memory: `node bench/synth.mjs OUT.gguf [--type Q8_0]`.
import { closeSync, mkdirSync, openSync, renameSync, statSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { parseArgs } from 'node:util'
import { record, string, uint32, uint64 } from './ggufBytes.mjs'
import { synthVocabulary } from './synthVocabulary.mjs'

const shape = {
  layers: 28,
  hidden: 1024,
  ffn: 3072,
  heads: 16,
  kvHeads: 8,
  headDim: 128,
  vocabulary: 151936,
  context: 40960,
}

/** Storage formats as runs of 16-bit words: per block `scales` words of scale, then `codes` words of codes. */
const formats = {
  F32: { ggml: 0, file: 0, elements: 1, words: 2, scales: 0 },
  F16: { ggml: 1, file: 1, elements: 1, words: 1, scales: 0 },
  Q4_0: { ggml: 2, file: 2, elements: 32, words: 9, scales: 1 },
  Q8_0: { ggml: 8, file: 7, elements: 32, words: 17, scales: 1 },
}

const ALIGNMENT = 32
const CHUNK_WORDS = 1 << 21

/** @typedef {keyof typeof formats} Format */
/** @typedef {{ name: string, sizes: readonly number[], format: Format, spread: number }} Tensor sizes innermost first */

/** @param {Format} format @returns {Tensor[]} */
function tensorsOf(format) {
  const { layers, hidden, ffn, heads, kvHeads, headDim, vocabulary } = shape
  const matrix = (/** @type {string} */ name, /** @type {number} */ cols, /** @type {number} */ rows) => ({
    name: `${name}.weight`,
    sizes: [cols, rows],
    format,
    spread: cols ** -0.5,
  })
  const gain = (/** @type {string} */ name, /** @type {number} */ cols) => ({
    name: `${name}.weight`,
    sizes: [cols],
    format: /** @type {Format} */ ('F32'),
    spread: 1,
  })
  const block = (/** @type {number} */ layer) => {
    const at = `blk.${layer}`
    return [
      gain(`${at}.attn_norm`, hidden),
      matrix(`${at}.attn_q`, hidden, heads * headDim),
      matrix(`${at}.attn_k`, hidden, kvHeads * headDim),
      matrix(`${at}.attn_v`, hidden, kvHeads * headDim),
      gain(`${at}.attn_q_norm`, headDim),
      gain(`${at}.attn_k_norm`, headDim),
      matrix(`${at}.attn_output`, heads * headDim, hidden),
      gain(`${at}.ffn_norm`, hidden),
      matrix(`${at}.ffn_gate`, hidden, ffn),
      matrix(`${at}.ffn_up`, hidden, ffn),
      matrix(`${at}.ffn_down`, ffn, hidden),
    ]
  }
  return [
    matrix('token_embd', hidden, vocabulary),
    ...Array.from({ length: layers }, (_, layer) => block(layer)).flat(),
    gain('output_norm', hidden),
  ]
}

/** @param {Tensor} tensor */
function bytesOf({ sizes, format }) {
  const { elements, words } = formats[format]
  return (sizes.reduce((product, size) => product * size, 1) / elements) * words * 2
}

/** @param {number} offset */
const aligned = (offset) => Math.ceil(offset / ALIGNMENT) * ALIGNMENT

/** @param {Format} format @param {readonly Tensor[]} tensors @returns {Buffer} */
function header(format, tensors) {
  const vocabulary = synthVocabulary(shape.vocabulary)
  const records = [
    record('general.architecture', 'string', 'qwen3'),
    record('general.name', 'string', 'random Qwen3-0.6B shape'),
    record('general.file_type', 'uint32', formats[format].file),
    record('general.quantization_version', 'uint32', 2),
    record('qwen3.block_count', 'uint32', shape.layers),
    record('qwen3.context_length', 'uint32', shape.context),
    record('qwen3.embedding_length', 'uint32', shape.hidden),
    record('qwen3.feed_forward_length', 'uint32', shape.ffn),
    record('qwen3.attention.head_count', 'uint32', shape.heads),
    record('qwen3.attention.head_count_kv', 'uint32', shape.kvHeads),
    record('qwen3.attention.key_length', 'uint32', shape.headDim),
    record('qwen3.attention.value_length', 'uint32', shape.headDim),
    record('qwen3.attention.layer_norm_rms_epsilon', 'float32', 1e-6),
    record('qwen3.rope.freq_base', 'float32', 1e6),
    record('tokenizer.ggml.model', 'string', 'gpt2'),
    record('tokenizer.ggml.pre', 'string', 'qwen2'),
    record('tokenizer.ggml.tokens', 'strings', vocabulary.tokens),
    record('tokenizer.ggml.token_type', 'int32s', vocabulary.types),
    record('tokenizer.ggml.merges', 'strings', vocabulary.merges),
    record('tokenizer.ggml.eos_token_id', 'uint32', vocabulary.endOfTurn),
    record('tokenizer.ggml.bos_token_id', 'uint32', vocabulary.endOfText),
    record('tokenizer.ggml.padding_token_id', 'uint32', vocabulary.endOfText),
    record('tokenizer.ggml.add_bos_token', 'bool', false),
  ]
  let offset = 0
  const infos = tensors.map((tensor) => {
    const at = offset
    offset = aligned(offset + bytesOf(tensor))
    const sizes = tensor.sizes.map(uint64)
    const type = uint32(formats[tensor.format].ggml)
    return Buffer.concat([string(tensor.name), uint32(sizes.length), ...sizes, type, uint64(at)])
  })
  const counts = [uint64(tensors.length), uint64(records.length)]
  const text = Buffer.concat([Buffer.from('GGUF'), uint32(3), ...counts, ...records, ...infos])
  return Buffer.concat([text, Buffer.alloc(aligned(text.length) - text.length)])
}

/** The binary16 bits of a number below 65504, truncated; what would be denormal becomes zero. @param {number} value @returns {number} */
function half(value) {
  const bits = new Uint32Array(Float32Array.of(value).buffer)[0] ?? 0
  const exponent = ((bits >>> 23) & 255) - 112
  return exponent < 1 ? 0 : ((bits >>> 16) & 0x8000) | (exponent << 10) | ((bits >>> 13) & 0x3ff)
}

/**
 * 65536 words to draw code words from: signed bytes without -128 for Q8_0, any nibbles for Q4_0, halves for F16.
 * @param {Format} format
 * @param {number} spread standard deviation of the weights
 * @returns {Uint16Array}
 */
function codeWords(format, spread) {
  const words = Uint16Array.from({ length: 65536 }, (_, word) => word)
  if (format === 'Q8_0')
    return words.map((w) => ((w & 255) === 128 ? w + 1 : w)).map((w) => (w >> 8 === 128 ? w + 256 : w))
  // Uniform in +-sqrt(3) spread, which has that deviation.
  if (format === 'F16') return words.map((word) => half((word / 32768 - 1) * Math.sqrt(3) * spread))
  return words
}

/** Block scales that give weights of this spread: 256 words, within 25 % of each other. @param {Format} format @param {number} spread */
function scaleWords(format, spread) {
  const deviation = format === 'Q8_0' ? 73.3 : 4.6
  return Uint16Array.from({ length: 256 }, (_, i) => half((spread / deviation) * (0.875 + i / 1024)))
}

/** Yields the tensor's data in chunks. @param {Tensor} tensor @param {number} seed @returns {Generator<Uint8Array>} */
function* dataOf(tensor, seed) {
  const { words, scales } = formats[tensor.format]
  let state = seed
  const draw = () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state >>> 0
  }
  if (tensor.format === 'F32') {
    const gains = Float32Array.from({ length: tensor.sizes[0] ?? 0 }, () => 0.8 + (draw() / 2 ** 32) * 0.4)
    yield new Uint8Array(gains.buffer)
    return
  }
  const codes = codeWords(tensor.format, tensor.spread)
  const scale = scaleWords(tensor.format, tensor.spread)
  const total = bytesOf(tensor) / 2
  const chunk = new Uint16Array(Math.floor(CHUNK_WORDS / words) * words)
  for (let from = 0; from < total; from += chunk.length) {
    const part = chunk.subarray(0, Math.min(chunk.length, total - from))
    for (let block = 0; block < part.length; block += words) {
      if (scales) part[block] = scale[draw() & 255] ?? 0
      for (let i = scales; i < words; i++) part[block + i] = codes[draw() & 0xffff] ?? 0
    }
    yield new Uint8Array(part.buffer, 0, part.byteLength)
  }
}

/**
 * Writes the model beside `path` and renames it into place. The same seed gives the same bytes.
 * @param {string} path
 * @param {Format} format
 */
function writeSynthetic(path, format) {
  const tensors = tensorsOf(format)
  mkdirSync(dirname(path), { recursive: true })
  const file = openSync(`${path}.partial`, 'w')
  try {
    writeSync(file, header(format, tensors))
    for (const [index, tensor] of tensors.entries()) {
      for (const chunk of dataOf(tensor, 0x9e3779b9 ^ (index + 1))) writeSync(file, chunk)
      const size = bytesOf(tensor)
      writeSync(file, Buffer.alloc(aligned(size) - size))
    }
  } finally {
    closeSync(file)
  }
  renameSync(`${path}.partial`, path)
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { type: { type: 'string', default: 'Q8_0' } },
})
const [path] = positionals
if (!path || !(values.type in formats) || values.type === 'F32') {
  console.error('usage: node bench/synth.mjs OUT.gguf [--type Q8_0|Q4_0|F16]')
  process.exit(2)
}
const from = performance.now()
writeSynthetic(path, /** @type {Format} */ (values.type))
const seconds = (performance.now() - from) / 1000
console.log(`${path}: ${values.type}, ${(statSync(path).size / 2 ** 20).toFixed(0)} MiB in ${seconds.toFixed(1)} s`)
