import { countValue } from '../formats/ggufValue.ts'
import type { Operand } from '../ir/op.ts'
import { embedding } from '../ops/embedding.ts'
import { rope } from '../ops/rope.ts'
import type { ConfigReader } from './configReader.ts'
import { noSpecialTokens } from './decoder/decoderToTransformers.ts'
import { weightSpec } from './decoder/decoderWeights.ts'
import { headWidth, sharedHeads } from './dimensions.ts'
import { paddingRow } from './paddingRow.ts'
import { readActivation, spelledActivation } from './plain/activationNames.ts'
import { addParts, attend, decoderInputs, norm, outputs, plainBlock, projectApart } from './plain/plainBlocks.ts'
import { type PlainConfig, plainFromGguf, plainSizes, plainToGguf } from './plain/plainConfig.ts'
import { normSpecs, productSpecs } from './plain/plainWeights.ts'
import { ropeParameters } from './rope/ropeParameters.ts'
import { plainRope, type RopeConfig, ropeFromGguf, ropeFromTransformers } from './rope/ropeScaling.ts'
import { ropeMetadata, ropeSpecs, ropeTables } from './rope/ropeTables.ts'
import { defineTemplate, type WeightSpec } from './template.ts'

interface Starcoder2Config extends PlainConfig {
  readonly tied: boolean
  readonly rope: RopeConfig
  /** Tokens that every layer reads back, its own among them; 0: all. */
  readonly window: number
  /** See DecoderConfig. */
  readonly padding?: number
}

function fromTransformers(read: ConfigReader): Starcoder2Config {
  const dim = read.count('hidden_size', 3072)
  const heads = read.count('num_attention_heads', 24)
  const headDim = headWidth(read, 'head_dim', 'num_attention_heads', dim, heads)
  const context = read.count('max_position_embeddings', 4096)
  const vocabulary = read.count('vocab_size', 49152)
  return {
    vocabulary,
    ...paddingRow(read, vocabulary),
    context,
    layers: read.layers('num_hidden_layers'),
    dim,
    ffn: read.count('intermediate_size', 12288),
    heads,
    kvHeads: sharedHeads(read, 'num_key_value_heads', heads, 2),
    headDim,
    eps: read.positive('norm_epsilon', 1e-5),
    hasBias: read.flag('use_bias', true),
    activation: readActivation(read, 'hidden_act', 'gelu_tanh'),
    tied: read.flag('tie_word_embeddings', true) && read.shapeOf('lm_head.weight') === undefined,
    rope: ropeFromTransformers(read, headDim, read.count('max_position_embeddings', 4096)),
    window: read.has('sliding_window') ? read.count('sliding_window') : 0,
  }
}

function fromGguf(read: ConfigReader): Starcoder2Config {
  const c = plainFromGguf(read, 'gelu_tanh')
  return {
    ...c,
    hasBias: read.shapeOf('blk.0.attn_output.bias') !== undefined,
    tied: read.shapeOf('output.weight') === undefined,
    rope: ropeFromGguf(read, 'split', c.headDim, c.context),
    window: read.has('attention.sliding_window') ? read.count('attention.sliding_window') : 0,
  }
}

function weights(c: Starcoder2Config): readonly WeightSpec[] {
  const layers = Array.from({ length: c.layers }, (_, i) => {
    const [ours, theirs] = [`blk.${i}.`, `model.layers.${i}.`]
    const [wide, narrow] = [c.heads * c.headDim, c.kvHeads * c.headDim]
    return [
      ...normSpecs(`${ours}attn_norm`, `${theirs}input_layernorm`, c.dim),
      ...productSpecs(c, `${ours}attn_q`, `${theirs}self_attn.q_proj`, [wide, c.dim]),
      ...productSpecs(c, `${ours}attn_k`, `${theirs}self_attn.k_proj`, [narrow, c.dim]),
      ...productSpecs(c, `${ours}attn_v`, `${theirs}self_attn.v_proj`, [narrow, c.dim]),
      ...productSpecs(c, `${ours}attn_output`, `${theirs}self_attn.o_proj`, [c.dim, wide]),
      ...normSpecs(`${ours}ffn_norm`, `${theirs}post_attention_layernorm`, c.dim),
      ...productSpecs(c, `${ours}ffn_up`, `${theirs}mlp.c_fc`, [c.ffn, c.dim]),
      ...productSpecs(c, `${ours}ffn_down`, `${theirs}mlp.c_proj`, [c.dim, c.ffn]),
    ]
  })
  return [
    weightSpec('token_embd.weight', 'model.embed_tokens.weight', c.vocabulary, c.dim),
    ...ropeSpecs([c.rope]),
    ...layers.flat(),
    ...normSpecs('output_norm', 'model.norm', c.dim),
    ...(c.tied ? [] : [weightSpec('output.weight', 'lm_head.weight', c.vocabulary, c.dim)]),
  ]
}

/** StarCoder2: grouped attention with turns and perhaps a window, LayerNorm, biases. */
export const starcoder2 = defineTemplate<Starcoder2Config>({
  name: 'starcoder2',
  gguf: ['starcoder2'],
  transformers: ['Starcoder2ForCausalLM'],
  tokenizer: 'byte-level BPE',
  config: { gguf: fromGguf, transformers: fromTransformers },
  weights,
  ignored: [/\.rotary_emb\.inv_freq$/],
  graph(g, c, w) {
    const { ids, positions, index } = decoderInputs(g)
    const { style } = c.rope
    const table = ropeTables(g, [c.rope], w, positions)[0]!
    const window = c.window > 0 ? { window: c.window } : {}
    const padding = c.padding === undefined ? {} : { padding: c.padding }
    let x = g.apply(embedding, 'token_embd', { ids, table: w('token_embd.weight') }, padding)
    for (let i = 0; i < c.layers; i++) {
      const at = plainBlock(g, c, w, `blk.${i}.`)
      const { q, k, v } = projectApart(at, norm(at, 'attn_norm', x))
      const turned = (name: string, heads: Operand) => g.apply(rope, at.named(name), { x: heads, table }, { style })
      const projected = { q: turned('attn_q_rope', q), k: turned('attn_k_rope', k), v }
      x = addParts(at, x, attend(at, projected, { scale: 1 / Math.sqrt(c.headDim), ...window }))
    }
    outputs(plainBlock(g, c, w, ''), x, index, c.tied)
  },
  toGguf: (c) => ({
    metadata: {
      ...plainToGguf('starcoder2', c, 'gelu_tanh'),
      ...Object.fromEntries(Object.entries(ropeMetadata(c.rope)).map(([key, value]) => [`starcoder2.${key}`, value])),
      ...(c.window > 0 ? { 'starcoder2.attention.sliding_window': countValue(c.window) } : {}),
    },
    rowOf: (_weight, row) => row,
  }),
  toTransformers: (c, stored) => ({
    config: {
      architectures: ['Starcoder2ForCausalLM'],
      model_type: 'starcoder2',
      vocab_size: c.vocabulary,
      max_position_embeddings: c.context,
      hidden_size: c.dim,
      intermediate_size: c.ffn,
      num_hidden_layers: c.layers,
      num_attention_heads: c.heads,
      num_key_value_heads: c.kvHeads,
      head_dim: c.headDim,
      hidden_act: spelledActivation(c.activation),
      norm_epsilon: c.eps,
      use_bias: c.hasBias,
      rope_parameters: ropeParameters(c.rope, c.context, stored),
      sliding_window: c.window || null,
      tie_word_embeddings: c.tied,
      ...noSpecialTokens(c.padding),
    },
    rowOf: (_weight, row) => row,
  }),
  fresh: {
    usual: { eps: 1e-5, tied: true, ffn: 4, theta: 10000, window: 0, deviation: 0.018042 },
    config: ({ theta, ...sizes }) => ({
      ...sizes,
      hasBias: true,
      activation: 'gelu_tanh',
      rope: plainRope('split', sizes.headDim / 2, theta),
    }),
  },
  sizes: plainSizes,
})
