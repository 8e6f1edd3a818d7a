import type { Activation } from '../../ops/activations.ts'
import type { ConfigReader } from '../configReader.ts'
import { type Dimensions, headWidth, sharedHeads, widestHead } from '../dimensions.ts'
import { paddingRow } from '../paddingRow.ts'
import { readActivation } from '../plain/activationNames.ts'
import { type RopeConfig, type RopeHabits, ropeFromGguf, ropeFromTransformers } from '../rope/ropeScaling.ts'
import type { ModelSizes } from '../template.ts'
import { type LayerWindows, windowsFromGguf } from './layerWindows.ts'

/** What the decoder families with grouped attention and a gated feed-forward have in common. */
export interface DecoderConfig extends Dimensions {
  /** The head shares the embedding's weights. */
  readonly tied: boolean
  /** Rotations among which layers choose; most families have one. */
  readonly ropes: readonly RopeConfig[]
  /** One per layer. */
  readonly pattern: readonly LayerKind[]
  readonly scales: DecoderScales
  readonly softCaps: SoftCaps
  /** Of the gate. */
  readonly activation: Activation
  /** Products of a layer that have a bias, by their weights' names in GGUF (`attn_q`). */
  readonly biases: readonly string[]
  /** Products whose weights lie in one tensor, by the name of that in GGUF: q, k and v; the gate and what it gates. */
  readonly fused: readonly Fused[]
  /** The id of the token that only fills room, whose embedding is not trained; absent: there is none. */
  readonly padding?: number
}

export type Fused = 'attn_qkv' | 'ffn_up'

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

/** What scores before softmax, and logits, are bent to stay below; 0: nothing. */
export interface SoftCaps {
  readonly attention: number
  readonly logits: number
}

/** Nothing is bent. */
export const uncapped: SoftCaps = { attention: 0, logits: 0 }

/** Every layer turns by the first rope, and reads as far back as its window. */
export function windowPattern(windows: LayerWindows): readonly LayerKind[] {
  return windows.map((window) => ({ window, rope: 0 }))
}

/** Every layer turns by the first rope and reads all tokens. */
export function plainPattern(layers: number): readonly LayerKind[] {
  return windowPattern(Array.from({ length: layers }, () => 0))
}

/** Nothing is multiplied, but scores by 1 / √headDim. */
export function plainScales(headDim: number): DecoderScales {
  return { embedding: 1, attention: 1 / Math.sqrt(headDim), residual: 1, logits: 1 }
}

const attentionProducts = ['attn_q', 'attn_k', 'attn_v', 'attn_output']
const ffnProducts = ['ffn_gate', 'ffn_up', 'ffn_down']

/** The biases of q, k and v. */
export const inputBiases: readonly string[] = attentionProducts.slice(0, 3)

/**
 * Config of a GGUF checkpoint. `style` is the family's: converters reorder some families' heads for pairwise turns. So is the
 * `usual` activation, which files name only where they have another.
 */
export function decoderFromGguf(
  read: ConfigReader,
  style: RopeConfig['style'],
  usual: Activation = 'silu',
): DecoderConfig {
  const dim = read.count('embedding_length')
  const heads = read.count('attention.head_count')
  const headDim = headWidth(read, 'attention.key_length', 'attention.head_count', dim, heads)
  read.only('attention.value_length', headDim)
  read.only('expert_count', 0)
  const layers = read.layers('block_count')
  const trained = read.count('context_length')
  const rope = ropeFromGguf(read, style, headDim, trained)
  const table = read.shapeOf('token_embd.weight')
  return {
    vocabulary: table?.[0] ?? read.count('vocab_size'),
    context: Math.max(trained, rope.reach ?? 0),
    layers,
    dim,
    ffn: read.count('feed_forward_length'),
    heads,
    kvHeads: sharedHeads(read, 'attention.head_count_kv', heads),
    headDim,
    eps: read.positive('attention.layer_norm_rms_epsilon'),
    tied: read.shapeOf('output.weight') === undefined,
    ropes: [rope],
    pattern: windowPattern(windowsFromGguf(read, layers)),
    scales: plainScales(headDim),
    softCaps: uncapped,
    activation: readActivation(read, 'hidden_activation', usual),
    biases: [...attentionProducts, ...ffnProducts].filter((name) => read.shapeOf(`blk.0.${name}.bias`)),
    fused: [],
  }
}

/** What families differ in. */
export interface DecoderHabits extends RopeHabits {
  /** Default: `hidden_act`. */
  readonly activationKey?: string
}

/** Config of config.json. Every layer reads all tokens. */
export function decoderFromTransformers(
  read: ConfigReader,
  { activationKey = 'hidden_act', ...habits }: DecoderHabits = {},
): DecoderConfig {
  const dim = read.count('hidden_size')
  const heads = read.count('num_attention_heads')
  const headDim = read.count('head_dim', Math.floor(dim / heads), widestHead)
  const layers = read.layers('num_hidden_layers')
  const trained = read.count('max_position_embeddings', 2048)
  const rope = ropeFromTransformers(read, headDim, trained, habits)
  const vocabulary = read.count('vocab_size')
  return {
    vocabulary,
    ...paddingRow(read, vocabulary),
    context: Math.max(trained, rope.reach ?? 0),
    layers,
    dim,
    ffn: read.count('intermediate_size'),
    heads,
    kvHeads: sharedHeads(read, 'num_key_value_heads', heads),
    headDim,
    eps: read.positive('rms_norm_eps', 1e-6),
    tied: read.flag('tie_word_embeddings', false) && read.shapeOf('lm_head.weight') === undefined,
    ropes: [rope],
    pattern: plainPattern(layers),
    scales: plainScales(headDim),
    softCaps: uncapped,
    activation: readActivation(read, activationKey, 'silu'),
    biases: [
      ...(read.flag('attention_bias', false) ? attentionProducts : []),
      ...(read.flag('mlp_bias', false) ? ffnProducts : []),
    ],
    fused: [],
  }
}

export function decoderSizes({ vocabulary, context, layers, ropes }: DecoderConfig): ModelSizes {
  const short = ropes.find((rope) => rope.short !== undefined)?.short
  return { vocabulary, context, layers, ...(short === undefined ? {} : { short }) }
}
