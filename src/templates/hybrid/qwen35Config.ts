import type { HeadOrder } from '../../ops/delta.ts'
import type { ConfigReader } from '../configReader.ts'
import {
  type DecoderConfig,
  decoderFromGguf,
  decoderFromTransformers,
  type LayerKind,
} from '../decoder/decoderConfig.ts'
import { freshDecoder } from '../decoder/freshDecoder.ts'
import type { FreshSizes } from '../fresh.ts'

/** A decoder some of whose layers have a recurrent state in the place of attention: those without a rope. */
export interface Qwen35Config extends DecoderConfig {
  readonly delta: DeltaSizes
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

/** The products of attention that may have biases. */
const products = ['attn_q', 'attn_k', 'attn_v', 'attn_output']

/** What transformers' configuration class says where config.json says nothing. */
const defaults = {
  num_attention_heads: 16,
  num_key_value_heads: 4,
  head_dim: 256,
  max_position_embeddings: 32768,
  partial_rotary_factor: 0.25,
  full_attention_interval: 4,
  linear_num_key_heads: 16,
  linear_num_value_heads: 32,
  linear_key_head_dim: 128,
  linear_value_head_dim: 128,
  linear_conv_kernel_dim: 4,
}

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
  const kindsOf =
    recurrent?.map((is) => (is ? kinds.linear_attention : kinds.full_attention)) ??
    intervalPattern(layers, read.count('full_attention_interval', 4))
  return {
    ...decoder,
    layers,
    pattern: kindsOf,
    delta: checkHeads(read, 'ssm.group_count', {
      keyHeads: read.count('ssm.group_count'),
      valueHeads,
      keyWidth: read.count('ssm.state_size'),
      valueWidth: inner / valueHeads,
      taps: read.count('ssm.conv_kernel'),
      order: 'tiled',
    }),
    biases: products.filter((name) => kindsOf.some((_, i) => read.shapeOf(`blk.${i}.${name}.bias`))),
    prefix: '',
    extraLayers,
  }
}

/** Config of config.json, or of its text_config where the folder has a vision tower too. */
export function qwen35FromTransformers(read: ConfigReader): Qwen35Config {
  const text = (read.has('text_config') ? read.within('text_config') : read).withDefaults(defaults)
  const decoder = decoderFromTransformers(text, { isPartial: true })
  const { layers } = decoder
  const types = text.choices('layer_types', layers, ['linear_attention', 'full_attention'])
  const isWrapped = read.shapeOf('model.language_model.embed_tokens.weight') !== undefined
  const isTied = (read.has('tie_word_embeddings') ? read : text).flag('tie_word_embeddings', false)
  return {
    ...decoder,
    tied: isTied && read.shapeOf('lm_head.weight') === undefined,
    pattern: types?.map((type) => kinds[type]) ?? intervalPattern(layers, text.count('full_attention_interval')),
    delta: checkHeads(text, 'linear_num_key_heads', {
      keyHeads: text.count('linear_num_key_heads'),
      valueHeads: text.count('linear_num_value_heads'),
      keyWidth: text.count('linear_key_head_dim'),
      valueWidth: text.count('linear_value_head_dim'),
      taps: text.count('linear_conv_kernel_dim'),
      order: 'grouped',
    }),
    prefix: isWrapped ? 'model.language_model.' : 'model.',
    extraLayers: 0,
  }
}

/** A fresh one: a quarter of a head turns; the recurrent layers have twice as many heads, half as wide, as the others. */
export function freshQwen35(sizes: FreshSizes): Qwen35Config {
  const { heads, headDim, layers } = sizes
  return {
    ...freshDecoder(sizes, { turned: 0.25 }),
    pattern: intervalPattern(layers, 4),
    delta: {
      keyHeads: 2 * heads,
      valueHeads: 2 * heads,
      keyWidth: headDim / 2,
      valueWidth: headDim / 2,
      taps: 4,
      order: 'grouped',
    },
    prefix: 'model.',
    extraLayers: 0,
  }
}

function checkHeads(read: ConfigReader, key: string, sizes: DeltaSizes): DeltaSizes {
  if (sizes.valueHeads % sizes.keyHeads !== 0)
    read.refuse(key, sizes.keyHeads, `a divisor of the ${sizes.valueHeads} value heads`)
  return sizes
}
