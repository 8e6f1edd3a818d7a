import type { ConfigReader } from './configReader.ts'
import { type RopeConfig, ropeFromGguf, ropeFromTransformers } from './ropeScaling.ts'
import type { ModelSizes } from './template.ts'

/** What the decoder families with grouped attention and a gated feed-forward have in common. */
export interface DecoderConfig {
  readonly vocabulary: number
  readonly context: number
  readonly layers: number
  readonly dim: number
  readonly ffn: number
  readonly heads: number
  readonly kvHeads: number
  readonly headDim: number
  readonly eps: number
  /** The head shares the embedding's weights. */
  readonly tied: boolean
  /** Rotations among which layers choose; most families have one. */
  readonly ropes: readonly RopeConfig[]
  /** One per layer. */
  readonly pattern: readonly LayerKind[]
  readonly scales: DecoderScales
}

/** How one layer attends. */
export interface LayerKind {
  /** Tokens that it reads back, its own among them; 0: all. */
  readonly window: number
  /** Which of the config's ropes; `none`: it knows no positions. */
  readonly rope: number | 'none'
}

/** Constants that values are multiplied by; 1 leaves them as they are. */
export interface DecoderScales {
  readonly embedding: number
  /** Of q·k, before softmax. */
  readonly attention: number
  /** Of what attention and feed-forward add to the stream. */
  readonly residual: number
  readonly logits: number
}

/** Every layer reads all tokens and turns by the first rope. */
export function plainPattern(layers: number): readonly LayerKind[] {
  return Array.from({ length: layers }, () => ({ window: 0, rope: 0 }))
}

/** Nothing is multiplied, but scores by 1 / √headDim. */
export function plainScales(headDim: number): DecoderScales {
  return { embedding: 1, attention: 1 / Math.sqrt(headDim), residual: 1, logits: 1 }
}

/** Config of a GGUF checkpoint. `style` is the family's: converters reorder some families' heads for pairwise turns. */
export function decoderFromGguf(read: ConfigReader, style: RopeConfig['style']): DecoderConfig {
  const dim = read.count('embedding_length')
  const heads = read.count('attention.head_count')
  const headDim = headWidth(read, 'attention.key_length', 'attention.head_count', dim, heads)
  read.only('attention.value_length', headDim)
  read.only('expert_count', 0)
  const layers = read.layers('block_count')
  const table = read.shapeOf('token_embd.weight')
  return checkHeads(read, 'attention.head_count_kv', {
    vocabulary: table?.[0] ?? read.count('vocab_size'),
    context: read.count('context_length'),
    layers,
    dim,
    ffn: read.count('feed_forward_length'),
    heads,
    kvHeads: read.count('attention.head_count_kv', heads),
    headDim,
    eps: read.positive('attention.layer_norm_rms_epsilon'),
    tied: read.shapeOf('output.weight') === undefined,
    ropes: [ropeFromGguf(read, style, headDim)],
    pattern: plainPattern(layers),
    scales: plainScales(headDim),
  })
}

/** Config of config.json. */
export function decoderFromTransformers(read: ConfigReader): DecoderConfig {
  const dim = read.count('hidden_size')
  const heads = read.count('num_attention_heads')
  const headDim = headWidth(read, 'head_dim', 'num_attention_heads', dim, heads)
  const layers = read.layers('num_hidden_layers')
  read.only('hidden_act', 'silu')
  read.only('attention_bias', false)
  read.only('mlp_bias', false)
  read.only('use_sliding_window', false)
  return checkHeads(read, 'num_key_value_heads', {
    vocabulary: read.count('vocab_size'),
    context: read.count('max_position_embeddings', 2048),
    layers,
    dim,
    ffn: read.count('intermediate_size'),
    heads,
    kvHeads: read.count('num_key_value_heads', heads),
    headDim,
    eps: read.positive('rms_norm_eps', 1e-6),
    tied: read.flag('tie_word_embeddings', false) && read.shapeOf('lm_head.weight') === undefined,
    ropes: [ropeFromTransformers(read, headDim)],
    pattern: plainPattern(layers),
    scales: plainScales(headDim),
  })
}

/** No model has wider heads; the rope's list of frequencies is half as long. */
const widestHead = 65536

/** The width of a head as its key says, else the model's width divided among the heads. */
function headWidth(read: ConfigReader, key: string, headsKey: string, dim: number, heads: number): number {
  if (!read.has(key) && dim % heads !== 0)
    read.refuse(headsKey, heads, `a divisor of the width ${dim}, or a '${key}' beside it`)
  return read.count(key, dim / heads, widestHead)
}

function checkHeads(read: ConfigReader, key: string, config: DecoderConfig): DecoderConfig {
  if (config.heads % config.kvHeads !== 0) {
    read.refuse(key, config.kvHeads, `a divisor of the ${config.heads} attention heads`)
  }
  return config
}

export function decoderSizes({ vocabulary, context, layers }: DecoderConfig): ModelSizes {
  return { vocabulary, context, layers }
}
