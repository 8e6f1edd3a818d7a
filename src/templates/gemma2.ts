import type { GgufValue } from '../formats/ggufValue.ts'
import type { ConfigReader } from './configReader.ts'
import { buildDecoder, residualBlock } from './decoderBlocks.ts'
import { type DecoderConfig, decoderSizes, type SoftCaps, windowPattern } from './decoderConfig.ts'
import { decoderToGguf } from './decoderToGguf.ts'
import { decoderWeights } from './decoderWeights.ts'
import { gemmaFromGguf, gemmaFromTransformers, shiftedGains } from './gemma.ts'
import { typedWindows, windowsFromGguf } from './layerWindows.ts'
import { exportedAngles } from './llama.ts'
import { defineTemplate } from './template.ts'

/** What Gemma2Config says of keys that config.json leaves out. */
const defaults = {
  num_key_value_heads: 4,
  head_dim: 256,
  max_position_embeddings: 8192,
  hidden_activation: 'gelu_pytorch_tanh',
  tie_word_embeddings: true,
  query_pre_attn_scalar: 256,
  sliding_window: 4096,
  attn_logit_softcapping: 50,
  final_logit_softcapping: 30,
}

/** Every second layer reads all tokens. */
const period = 2

/** Layers of the release whose scores are scaled by another width than that of a head; GGUF has no word of it. */
const layersOf27B = 46

/** Norms of a transformers folder, with which every part of a block begins and ends. */
export const sandwichNorms = {
  attn_norm: 'input_layernorm',
  post_attention_norm: 'post_attention_layernorm',
  ffn_norm: 'pre_feedforward_layernorm',
  post_ffw_norm: 'post_feedforward_layernorm',
}

/** Gemma 2: as Gemma, with soft-caps, norms around attention and feed-forward, and a window in every second layer. */
export const gemma2 = defineTemplate({
  name: 'gemma2',
  gguf: ['gemma2'],
  transformers: ['Gemma2ForCausalLM'],
  config: {
    gguf(read) {
      const config = withScoreScale(read, gemmaFromGguf(read), layersOf27B)
      const softCaps = {
        attention: read.number('attn_logit_softcapping', 50),
        logits: read.number('final_logit_softcapping', 30),
      }
      return { ...config, softCaps, pattern: windowPattern(windowsFromGguf(read, config.layers, period, 4096)) }
    },
    transformers(reader) {
      const read = reader.withDefaults(defaults)
      const config = withQueryScalar(read, gemmaFromTransformers(read, { activationKey: 'hidden_activation' }))
      const windows = typedWindows(read, config.layers, (layer) => (layer + 1) % period !== 0)
      return { ...config, softCaps: capsOf(read), pattern: windowPattern(windows) }
    },
  },
  weights: (c) => shiftedGains(decoderWeights(c, undefined, sandwichNorms)),
  ignored: [exportedAngles],
  graph: (g, c, w) => buildDecoder(g, c, w, (at, x) => residualBlock(at, x, 'around')),
  toGguf: (c) =>
    decoderToGguf(
      'gemma2',
      c,
      false,
      {
        ...scoreScaleMetadata(c, layersOf27B),
        // 0 says that there is none: a file without the key has the usual cap, or the usual window.
        attn_logit_softcapping: { type: 'float32', value: c.softCaps.attention },
        final_logit_softcapping: { type: 'float32', value: c.softCaps.logits },
        ...(c.pattern.some(({ window }) => window > 0)
          ? {}
          : { 'attention.sliding_window': { type: 'uint32', value: 0 } as const }),
      },
      { usual: 'gelu_tanh', period },
    ),
  sizes: decoderSizes,
})

/** Caps of config.json; null says that there is none. */
export function capsOf(read: ConfigReader): SoftCaps {
  const cap = (key: string) => (read.has(key) ? read.positive(key) : 0)
  return { attention: cap('attn_logit_softcapping'), logits: cap('final_logit_softcapping') }
}

/** Scores times 1 / √query_pre_attn_scalar. */
export function withQueryScalar(read: ConfigReader, config: DecoderConfig): DecoderConfig {
  return withScale(config, 1 / Math.sqrt(read.positive('query_pre_attn_scalar')))
}

/** The scale of scores that a GGUF file says or, as llama.cpp does, that of the release which has so many layers. */
export function withScoreScale(read: ConfigReader, config: DecoderConfig, layersOfLargest: number): DecoderConfig {
  return withScale(config, read.positive('attention.scale', usualScale(config, layersOfLargest)))
}

/** What `withScoreScale` reads, behind the family's name. */
export function scoreScaleMetadata(c: DecoderConfig, layersOfLargest: number): Readonly<Record<string, GgufValue>> {
  const { attention } = c.scales
  if (attention === usualScale(c, layersOfLargest)) return {}
  return { 'attention.scale': { type: 'float32', value: attention } }
}

function usualScale({ layers, dim, heads, headDim }: DecoderConfig, layersOfLargest: number): number {
  return 1 / Math.sqrt(layers === layersOfLargest ? Math.floor(dim / heads) : headDim)
}

function withScale(config: DecoderConfig, attention: number): DecoderConfig {
  return { ...config, scales: { ...config.scales, attention } }
}
