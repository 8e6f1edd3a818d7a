import type { ConfigReader } from './configReader.ts'
import { buildDecoder, residualBlock } from './decoder/decoderBlocks.ts'
import {
  type DecoderConfig,
  decoderFromGguf,
  decoderFromTransformers,
  decoderSizes,
  inputBiases,
} from './decoder/decoderConfig.ts'
import { decoderToGguf } from './decoder/decoderToGguf.ts'
import { decoderToTransformers } from './decoder/decoderToTransformers.ts'
import { decoderWeights } from './decoder/decoderWeights.ts'
import { freshDecoder } from './decoder/freshDecoder.ts'
import type { FreshHabits, FreshSizes } from './fresh.ts'
import { exportedAngles } from './llama.ts'
import { defineTemplate } from './template.ts'

/** What Glm4Config and GlmConfig say of keys that config.json leaves out. */
const defaults = {
  pad_token_id: 151329,
  num_key_value_heads: 2,
  head_dim: 128,
  max_position_embeddings: 131072,
  rms_norm_eps: 1.5625e-7,
  partial_rotary_factor: 0.5,
  attention_bias: true,
}

const norms = {
  attn_norm: 'input_layernorm',
  post_attention_norm: 'post_self_attn_layernorm',
  ffn_norm: 'post_attention_layernorm',
  post_ffw_norm: 'post_mlp_layernorm',
}

/** What a fresh GLM has where nothing is said: a half of a head turns. */
export const glmHabits: FreshHabits = { eps: 1.5625e-7, tied: false, ffn: 10 / 3, theta: 10000, headUnit: 4 }

/** GLM-4 of 2025: neighbours in the first half of a head turn together, norms stand around attention and feed-forward. */
export const glm4 = defineTemplate({
  name: 'glm4',
  gguf: ['glm4'],
  transformers: ['Glm4ForCausalLM'],
  tokenizer: 'byte-level BPE',
  config: { gguf: glmFromGguf, transformers: glmFromTransformers },
  weights: (c) => decoderWeights(c, undefined, norms),
  ignored: [exportedAngles],
  graph: (g, c, w) => buildDecoder(g, c, w, (at, x) => residualBlock(at, x, 'around')),
  toGguf: (c) => decoderToGguf('glm4', c, false),
  toTransformers: (c, stored) => decoderToTransformers(c, stored, { names: ['Glm4ForCausalLM', 'glm4'] }),
  fresh: {
    usual: glmHabits,
    config: freshGlm,
  },
  sizes: decoderSizes,
})

/** Config of a GGUF file of GLM; older converters left q, k and v in one tensor. */
export function glmFromGguf(read: ConfigReader): DecoderConfig {
  const config = decoderFromGguf(read, 'pairwise')
  if (!read.shapeOf('blk.0.attn_qkv.weight')) return { ...config, fused: ['ffn_up'] }
  const biases = read.shapeOf('blk.0.attn_qkv.bias') ? ['attn_qkv'] : []
  return { ...config, biases, fused: ['attn_qkv', 'ffn_up'] }
}

/** A fresh GLM. */
export function freshGlm(sizes: FreshSizes): DecoderConfig {
  const config = freshDecoder(sizes, { turned: 0.5 })
  return { ...config, ropes: [{ ...config.ropes[0]!, style: 'pairwise' }], biases: inputBiases, fused: ['ffn_up'] }
}

/** Config of config.json of GLM: the gate and what it gates in one matrix, biases of q, k and v only. */
export function glmFromTransformers(reader: ConfigReader): DecoderConfig {
  const read = reader.withDefaults(defaults)
  const config = decoderFromTransformers(read, { isPartial: true })
  const [rope] = config.ropes
  return {
    ...config,
    ropes: [{ ...rope!, style: 'pairwise' }],
    biases: read.flag('attention_bias', true) ? inputBiases : [],
    fused: ['ffn_up'],
  }
}
