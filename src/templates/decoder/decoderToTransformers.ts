import type { Json } from '../../formats/checkpoint.ts'
import { type ActivationSpelling, spelledActivation } from '../plain/activationNames.ts'
import { ropeParameters } from '../rope/ropeParameters.ts'
import type { StoredVector, TransformersForm } from '../template.ts'
import type { DecoderConfig } from './decoderConfig.ts'

/** What the configuration classes of families differ in. */
export interface TransformersHabits {
  /** The class of the model, `LlamaForCausalLM`, and the name of its configuration. */
  readonly names: readonly [architecture: string, modelType: string]
  /** The family's GGUF files have the heads of q and k reordered for pairwise turns, which transformers' have not. */
  readonly isPairwise?: boolean
  /** The key of the activation, and how it is spelt; default: `hidden_act`. */
  readonly activationKey?: string
  readonly spelling?: ActivationSpelling
}

/** The keys by which config.json describes a config. `more`: keys that the family has besides, or says otherwise. */
export function decoderToTransformers(
  c: DecoderConfig,
  stored: StoredVector,
  { names: [architecture, modelType], isPairwise, activationKey = 'hidden_act', spelling }: TransformersHabits,
  more: { readonly [key: string]: Json } = {},
): TransformersForm {
  const rope = c.ropes[0]!
  const isReordered = isPairwise === true && rope.style === 'pairwise'
  return {
    config: {
      architectures: [architecture],
      model_type: modelType,
      vocab_size: c.vocabulary,
      max_position_embeddings: c.context,
      hidden_size: c.dim,
      intermediate_size: c.ffn,
      num_hidden_layers: c.layers,
      num_attention_heads: c.heads,
      num_key_value_heads: c.kvHeads,
      head_dim: c.headDim,
      [activationKey]: spelledActivation(c.activation, spelling),
      rms_norm_eps: c.eps,
      rope_parameters: ropeParameters(rope, c.context, stored),
      ...(c.biases.includes('attn_q') ? { attention_bias: true } : { attention_bias: false }),
      ...(c.biases.includes('ffn_gate') ? { mlp_bias: true } : {}),
      tie_word_embeddings: c.tied,
      ...noSpecialTokens(c.padding),
      ...more,
    },
    rowOf: (weight, row) => {
      if (!isReordered || !/\.attn_[qk]\.(weight|bias)$/.test(weight)) return row
      const within = row % c.headDim
      const { pairs } = rope
      return within < 2 * pairs ? row - within + 2 * (within % pairs) + Math.floor(within / pairs) : row
    },
  }
}

/** The ids that configuration classes have values of their own for; a tokenizer's are put over them. */
export function noSpecialTokens(padding: number | undefined): { readonly [key: string]: Json } {
  return {
    bos_token_id: null,
    eos_token_id: null,
    pad_token_id: padding ?? null,
    initializer_range: 0.02,
    dtype: 'float32',
  }
}

/** Windows of layers as a list of kinds and one size; `sliding_window` is left out where there is none. */
export function layerTypes({ pattern }: DecoderConfig): { readonly [key: string]: Json } {
  const window = Math.max(...pattern.map((kind) => kind.window))
  return {
    layer_types: pattern.map((kind) => (kind.window > 0 ? 'sliding_attention' : 'full_attention')),
    ...(window > 0 ? { sliding_window: window } : {}),
  }
}

/** The same for families that have to be told to use windows. */
export function switchedWindows(c: DecoderConfig): { readonly [key: string]: Json } {
  const isUsed = c.pattern.some(({ window }) => window > 0)
  return { use_sliding_window: isUsed, sliding_window: null, ...layerTypes(c) }
}

/** A window that every layer has; null where the first has none. */
export function everyWindow({ pattern }: DecoderConfig): { readonly [key: string]: Json } {
  return { sliding_window: pattern[0]!.window || null }
}
