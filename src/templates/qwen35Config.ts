import type { HeadOrder } from '../ops/deltaRule.ts'
import type { ConfigReader } from './configReader.ts'
import { type DecoderConfig, decoderFromGguf, type LayerKind, plainScales } from './decoderConfig.ts'
import type { RopeConfig } from './ropeScaling.ts'

/** A decoder some of whose layers have a recurrent state in the place of attention: those without a rope. */
export interface Qwen35Config extends DecoderConfig {
  readonly delta: DeltaSizes
  /** The products of attention have biases. */
  readonly hasBias: boolean
  /** What names of tensors begin with in a transformers folder, but for the head's. */
  readonly prefix: string
  /** Layers behind the last that predict further tokens; they are not read. */
  readonly extraLayers: number
}

/** Sizes of the layers with a state. */
export interface DeltaSizes {
  readonly keyHeads: number
  readonly valueHeads: number
  readonly keyWidth: number
  readonly valueWidth: number
  readonly taps: number
  readonly order: HeadOrder
}

const kinds = { linear_attention: { window: 0, rope: 'none' }, full_attention: { window: 0, rope: 0 } } as const

/** Every so many layers one has full attention. */
function intervalPattern(layers: number, interval: number): readonly LayerKind[] {
  return Array.from({ length: layers }, (_, i) =>
    (i + 1) % interval === 0 ? kinds.full_attention : kinds.linear_attention,
  )
}

/** Config of a GGUF checkpoint, whose value heads stand in `tiled` order. */
export function qwen35FromGguf(read: ConfigReader): Qwen35Config {
  const decoder = decoderFromGguf(read, 'split')
  const extraLayers = read.has('nextn_predict_layers') ? read.number('nextn_predict_layers') : 0
  const layers = decoder.layers - extraLayers
  if (!Number.isInteger(extraLayers) || extraLayers < 0 || layers < 1)
    read.refuse('nextn_predict_layers', extraLayers, `a whole number below the ${decoder.layers} blocks`)
  const recurrent = read.flags('attention.recurrent_layers', layers)
  const inner = read.count('ssm.inner_size')
  const valueHeads = read.count('ssm.time_step_rank')
  if (inner % valueHeads !== 0) read.refuse('ssm.inner_size', inner, `a multiple of the ${valueHeads} value heads`)
  return {
    ...decoder,
    layers,
    pattern:
      recurrent?.map((is) => (is ? kinds.linear_attention : kinds.full_attention)) ??
      intervalPattern(layers, read.count('full_attention_interval', 4)),
    delta: checkHeads(read, 'ssm.group_count', {
      keyHeads: read.count('ssm.group_count'),
      valueHeads,
      keyWidth: read.count('ssm.state_size'),
      valueWidth: inner / valueHeads,
      taps: read.count('ssm.conv_kernel'),
      order: 'tiled',
    }),
    hasBias: Array.from({ length: layers }, (_, i) => read.shapeOf(`blk.${i}.attn_q.bias`)).some(Boolean),
    prefix: '',
    extraLayers,
  }
}

/** Config of config.json, or of its text_config where the folder has a vision tower too. */
export function qwen35FromTransformers(read: ConfigReader): Qwen35Config {
  const text = read.has('text_config') ? read.within('text_config') : read
  const heads = text.count('num_attention_heads', 16)
  const headDim = text.count('head_dim', 256, 65536)
  const kvHeads = text.count('num_key_value_heads', 4)
  const layers = text.layers('num_hidden_layers')
  if (heads % kvHeads !== 0) text.refuse('num_key_value_heads', kvHeads, `a divisor of the ${heads} attention heads`)
  text.only('hidden_act', 'silu')
  const types = text.choices('layer_types', layers, ['linear_attention', 'full_attention'])
  const isWrapped = read.shapeOf('model.language_model.embed_tokens.weight') !== undefined
  const isTied = (read.has('tie_word_embeddings') ? read : text).flag('tie_word_embeddings', false)
  return {
    vocabulary: text.count('vocab_size'),
    context: text.count('max_position_embeddings', 32768),
    layers,
    dim: text.count('hidden_size'),
    ffn: text.count('intermediate_size'),
    heads,
    kvHeads,
    headDim,
    eps: text.positive('rms_norm_eps', 1e-6),
    tied: isTied && read.shapeOf('lm_head.weight') === undefined,
    ropes: [partialRope(text, headDim)],
    pattern: types?.map((type) => kinds[type]) ?? intervalPattern(layers, text.count('full_attention_interval', 4)),
    scales: plainScales(headDim),
    delta: checkHeads(text, 'linear_num_key_heads', {
      keyHeads: text.count('linear_num_key_heads', 16),
      valueHeads: text.count('linear_num_value_heads', 32),
      keyWidth: text.count('linear_key_head_dim', 128),
      valueWidth: text.count('linear_value_head_dim', 128),
      taps: text.count('linear_conv_kernel_dim', 4),
      order: 'grouped',
    }),
    hasBias: text.flag('attention_bias', false),
    prefix: isWrapped ? 'model.language_model.' : 'model.',
    extraLayers: 0,
  }
}

/** A part of each head turns. Of text, the three positions that images have are one. */
function partialRope(read: ConfigReader, headDim: number): RopeConfig {
  const group = read.has('rope_parameters') ? 'rope_parameters' : 'rope_scaling'
  read.object(group)
  const typeKey = read.has(`${group}.rope_type`) ? `${group}.rope_type` : `${group}.type`
  read.choice(typeKey, ['default', 'mrope'], 'default')
  const theta = read.positive(read.has(`${group}.rope_theta`) ? `${group}.rope_theta` : 'rope_theta', 10000)
  const factorKey = `${group}.partial_rotary_factor`
  const factor = read.positive(read.has(factorKey) ? factorKey : 'partial_rotary_factor', 0.25)
  const width = Math.trunc(headDim * factor)
  const pairs = Math.ceil(width / 2)
  if (width < 1 || 2 * pairs > headDim)
    read.refuse(factorKey, factor, `a number by which a part of the ${headDim} columns of a head turns, and no more`)
  // Of an odd width the last pair reaches one column further, and the exponents stay those of the width.
  return { style: 'split', pairs, theta: theta ** ((2 * pairs) / width), scale: 1, factors: 'none' }
}

function checkHeads(read: ConfigReader, key: string, sizes: DeltaSizes): DeltaSizes {
  if (sizes.valueHeads % sizes.keyHeads !== 0)
    read.refuse(key, sizes.keyHeads, `a divisor of the ${sizes.valueHeads} value heads`)
  return sizes
}
