import type { ConfigReader } from './configReader.ts'
import { buildDecoder, residualBlock } from './decoder/decoderBlocks.ts'
import { type DecoderConfig, decoderSizes, type SoftCaps, windowPattern } from './decoder/decoderConfig.ts'
import { decoderToGguf } from './decoder/decoderToGguf.ts'
import { decoderToTransformers, layerTypes } from './decoder/decoderToTransformers.ts'
import { decoderWeights } from './decoder/decoderWeights.ts'
import { freshDecoder } from './decoder/freshDecoder.ts'
import { typedWindows, windowsFromGguf } from './decoder/layerWindows.ts'
import { freshGemma, gemmaFromGguf, gemmaFromTransformers, shiftedGains } from './gemma.ts'
import { exportedAngles } from './llama.ts'
import { defineTemplate, type GgufForm } from './template.ts'

/** What Gemma2Config says of keys that config.json leaves out. */
const defaults = {
  pad_token_id: 0,
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

/** A cap so far away that it bends nothing, for GGUF files, which cannot say that there is none. */
const farCap = 2 ** 30

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
  tokenizer: 'SentencePiece',
  config: {
    gguf(read) {
      const config = withUsualScale(gemmaFromGguf(read), layersOf27B)
      const cap = (key: string, usual: number) => {
        const value = read.positive(key, usual)
        return value < farCap ? value : 0
      }
      const softCaps = { attention: cap('attn_logit_softcapping', 50), logits: cap('final_logit_softcapping', 30) }
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
  toGguf(c) {
    const metadata = {
      attn_logit_softcapping: { type: 'float32', value: c.softCaps.attention || farCap },
      final_logit_softcapping: { type: 'float32', value: c.softCaps.logits || farCap },
      // A file without the key has the usual window.
      ...(c.pattern.some(({ window }) => window > 0)
        ? {}
        : { 'attention.sliding_window': { type: 'uint32', value: 0 } as const }),
    } as const
    const form = decoderToGguf('gemma2', c, false, metadata, { usual: 'gelu_tanh', period })
    return withScaleIn(/\.attn_q\.(weight|bias)$/, form, c, layersOf27B)
  },
  toTransformers: (c, stored) =>
    decoderToTransformers(
      c,
      stored,
      { names: ['Gemma2ForCausalLM', 'gemma2'], activationKey: 'hidden_activation' },
      {
        ...layerTypes(c),
        query_pre_attn_scalar: queryScalar(c),
        attn_logit_softcapping: c.softCaps.attention || null,
        final_logit_softcapping: c.softCaps.logits || null,
      },
    ),
  fresh: {
    usual: { eps: 1e-6, tied: true, ffn: 4, theta: 10000, window: 4096 },
    config: (sizes) => ({
      ...freshGemma(freshDecoder(sizes, { isWindowed: (layer) => (layer + 1) % period !== 0 })),
      softCaps: { attention: 50, logits: 30 },
    }),
  },
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

/** The inverse of `withQueryScalar`: a whole number where the scale was made of one. */
export function queryScalar({ scales }: DecoderConfig): number {
  const scalar = scales.attention ** -2
  const whole = Math.round(scalar)
  return Math.abs(scalar - whole) < 1e-9 * whole ? whole : scalar
}

/** The scale of scores that a GGUF file of the family means: it has no key for it. */
export function withUsualScale(config: DecoderConfig, layersOfLargest: number): DecoderConfig {
  return withScale(config, usualScale(config, layersOfLargest))
}

/** Puts what the scale of scores differs from that which a GGUF file means into the weights that `weights` names. */
export function withScaleIn(weights: RegExp, form: GgufForm, c: DecoderConfig, layersOfLargest: number): GgufForm {
  const factor = c.scales.attention / usualScale(c, layersOfLargest)
  if (Math.abs(factor - 1) < 1e-12) return form
  return { ...form, factorsOf: (weight) => (weights.test(weight) ? () => factor : undefined) }
}

/** That of the release which has so many layers, or that of a head's width. */
function usualScale({ layers, dim, heads, headDim }: DecoderConfig, layersOfLargest: number): number {
  return 1 / Math.sqrt(layers === layersOfLargest ? Math.floor(dim / heads) : headDim)
}

function withScale(config: DecoderConfig, attention: number): DecoderConfig {
  return { ...config, scales: { ...config.scales, attention } }
}
