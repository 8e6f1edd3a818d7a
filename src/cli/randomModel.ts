import type { GgufValue } from '../formats/ggufValue.ts'
import type { TensorData } from '../formats/tensorData.ts'
import type { DecoderConfig } from '../templates/decoder.ts'
import { llama } from '../templates/llama.ts'
import { qwen3 } from '../templates/qwen3.ts'
import { llama3Divisors } from '../templates/ropeScaling.ts'
import type { Template, WeightSpec } from '../templates/template.ts'
import { madeUpVocabulary } from './madeUpVocabulary.ts'
import { type Draw, drawFrom, type RandomFormatName, randomBytes, randomFormats } from './randomWeights.ts'
import { type Shape, type ShapeName, shapes } from './shapes.ts'

/** What a GGUF file of a random model holds. */
export interface RandomModel {
  readonly metadata: Readonly<Record<string, GgufValue>>
  readonly tensors: readonly TensorData[]
}

const families: { readonly [F in Shape['family']]: Template<DecoderConfig> } = { llama, qwen3 }

/** A model of a published shape. Matrices are in `format`, vectors in f32, as converters write them. Equal for equal seeds. */
export function randomModel(name: ShapeName, format: RandomFormatName, seed: bigint): RandomModel {
  const shape = shapes[name]
  const specs = families[shape.family].weights(shape.config)
  return {
    metadata: metadataOf(name, shape, format),
    tensors: specs.map((spec, index) => tensorOf(spec, shape, format, drawFrom(seed, index))),
  }
}

function tensorOf(spec: WeightSpec, shape: Shape, format: RandomFormatName, draw: Draw): TensorData {
  const { gguf: name, shape: dims } = spec
  const [rows = 1, cols] = dims
  if (cols === undefined) {
    const values = name === 'rope_freqs.weight' ? ropeDivisors(shape) : gains(rows, draw)
    return { name, dtype: 'f32', shape: dims, data: new Uint8Array(Float32Array.from(values).buffer) }
  }
  // A product of unit inputs then has unit variance.
  return { name, dtype: format, shape: dims, data: () => randomBytes(format, rows * cols, cols ** -0.5, draw) }
}

function gains(count: number, draw: Draw): readonly number[] {
  return Array.from({ length: count }, () => 0.8 + (draw() / 2 ** 32) * 0.4)
}

function ropeDivisors({ scaling, config }: Shape): readonly number[] {
  const { pairs, theta } = config.rope
  return scaling ? llama3Divisors(scaling, pairs, theta) : new Array<number>(pairs).fill(1)
}

function metadataOf(name: ShapeName, shape: Shape, format: RandomFormatName): Record<string, GgufValue> {
  const { family, split, config } = shape
  const vocabulary = madeUpVocabulary(config.vocabulary)
  return {
    'general.architecture': text(family),
    'general.name': text(`random ${name} ${format}`),
    'general.file_type': count(randomFormats[format].fileType),
    'general.quantization_version': count(2),
    [`${family}.block_count`]: count(config.layers),
    [`${family}.context_length`]: count(config.context),
    [`${family}.embedding_length`]: count(config.dim),
    [`${family}.feed_forward_length`]: count(config.ffn),
    [`${family}.attention.head_count`]: count(config.heads),
    [`${family}.attention.head_count_kv`]: count(config.kvHeads),
    [`${family}.attention.key_length`]: count(config.headDim),
    [`${family}.attention.value_length`]: count(config.headDim),
    [`${family}.attention.layer_norm_rms_epsilon`]: { type: 'float32', value: config.eps },
    [`${family}.rope.freq_base`]: { type: 'float32', value: config.rope.theta },
    [`${family}.rope.dimension_count`]: count(2 * config.rope.pairs),
    [`${family}.vocab_size`]: count(config.vocabulary),
    'tokenizer.ggml.model': text('gpt2'),
    'tokenizer.ggml.pre': text(split),
    'tokenizer.ggml.tokens': { type: 'array', of: 'string', value: vocabulary.tokens },
    'tokenizer.ggml.token_type': { type: 'array', of: 'int32', value: vocabulary.types },
    'tokenizer.ggml.merges': { type: 'array', of: 'string', value: vocabulary.merges },
    'tokenizer.ggml.bos_token_id': count(vocabulary.endOfText),
    'tokenizer.ggml.eos_token_id': count(vocabulary.endOfTurn),
    'tokenizer.ggml.padding_token_id': count(vocabulary.endOfText),
    'tokenizer.ggml.add_bos_token': { type: 'bool', value: false },
  }
}

const text = (value: string): GgufValue => ({ type: 'string', value })
const count = (value: number): GgufValue => ({ type: 'uint32', value })
