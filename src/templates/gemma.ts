import type { ConfigReader } from './configReader.ts'
import { buildDecoder, preNormBlock } from './decoder/decoderBlocks.ts'
import {
  type DecoderConfig,
  type DecoderHabits,
  decoderFromGguf,
  decoderFromTransformers,
  decoderSizes,
} from './decoder/decoderConfig.ts'
import { decoderToGguf } from './decoder/decoderToGguf.ts'
import { decoderToTransformers } from './decoder/decoderToTransformers.ts'
import { decoderWeights } from './decoder/decoderWeights.ts'
import { freshDecoder } from './decoder/freshDecoder.ts'
import { exportedAngles } from './llama.ts'
import { defineTemplate, type WeightSpec } from './template.ts'

/** What GemmaConfig says of keys that config.json leaves out. */
const defaults = {
  pad_token_id: 0,
  num_key_value_heads: 16,
  head_dim: 256,
  max_position_embeddings: 8192,
  hidden_act: 'gelu_pytorch_tanh',
  tie_word_embeddings: true,
}

/** Gemma 1: embeddings times the root of their width, gains stored less one, a gate with GELU. */
export const gemma = defineTemplate({
  name: 'gemma',
  gguf: ['gemma'],
  transformers: ['GemmaForCausalLM'],
  tokenizer: 'SentencePiece',
  config: {
    gguf: gemmaFromGguf,
    transformers(reader) {
      const read = reader.withDefaults(defaults)
      const config = gemmaFromTransformers(read)
      // The first releases wrote gelu and meant its approximation.
      return { ...config, activation: config.activation === 'gelu_erf' ? 'gelu_tanh' : config.activation }
    },
  },
  weights: (c) => shiftedGains(decoderWeights(c)),
  ignored: [exportedAngles],
  graph: (g, c, w) => buildDecoder(g, c, w, (at, x) => preNormBlock(at, x)),
  toGguf: (c) => decoderToGguf('gemma', c, false, {}, { usual: 'gelu_tanh' }),
  toTransformers: (c, stored) => decoderToTransformers(c, stored, { names: ['GemmaForCausalLM', 'gemma'] }),
  fresh: {
    usual: { eps: 1e-6, tied: true, ffn: 8, theta: 10000 },
    config: (sizes) => freshGemma(freshDecoder(sizes)),
  },
  sizes: decoderSizes,
})

/** Config of a GGUF file of any Gemma, as far as they share it. */
export function gemmaFromGguf(read: ConfigReader): DecoderConfig {
  return scaledByWidth(decoderFromGguf(read, 'split', 'gelu_tanh'))
}

/** Config of config.json of any Gemma, as far as they share it. */
export function gemmaFromTransformers(read: ConfigReader, habits: DecoderHabits = {}): DecoderConfig {
  read.only('use_bidirectional_attention', false)
  return scaledByWidth(decoderFromTransformers(read, habits))
}

/**
 * The root stays unrounded, as transformers has it where it computes in f32, and llama.cpp always; a run of transformers in
 * bfloat16 rounds it to that.
 */
function scaledByWidth(config: DecoderConfig): DecoderConfig {
  return { ...config, scales: { ...config.scales, embedding: Math.sqrt(config.dim) } }
}

/** A fresh decoder as a Gemma. */
export function freshGemma(config: DecoderConfig): DecoderConfig {
  return { ...scaledByWidth(config), activation: 'gelu_tanh' }
}

/** The gains of a transformers folder lack one; GGUF files have it. */
export function shiftedGains(specs: readonly WeightSpec[]): readonly WeightSpec[] {
  return specs.map((spec) => (spec.name.endsWith('norm.weight') ? { ...spec, transform: 'plusOne' } : spec))
}
