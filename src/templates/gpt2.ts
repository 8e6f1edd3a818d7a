import { add } from '../ops/add.ts'
import { embedding } from '../ops/embedding.ts'
import type { ConfigReader } from './configReader.ts'
import { noSpecialTokens } from './decoder/decoderToTransformers.ts'
import { weightSpec } from './decoder/decoderWeights.ts'
import { readActivation, spelledActivation } from './plain/activationNames.ts'
import { addParts, attend, decoderInputs, norm, outputs, plainBlock, projectTogether } from './plain/plainBlocks.ts'
import { type PlainConfig, plainFromGguf, plainSizes, plainToGguf } from './plain/plainConfig.ts'
import { normSpecs, productSpecs } from './plain/plainWeights.ts'
import { defineTemplate, type TransformersForm, type WeightSpec } from './template.ts'

interface Gpt2Config extends PlainConfig {
  /** What the names of a transformers folder begin with; the first published ones begin with nothing. */
  readonly prefix: string
  readonly tied: boolean
  /** Factors of q·k before softmax, one per layer. */
  readonly scales: readonly number[]
}

function fromTransformers(read: ConfigReader): Gpt2Config {
  const dim = read.count('n_embd', 768)
  const heads = read.count('n_head', 12)
  if (dim % heads !== 0) read.refuse('n_head', heads, `a divisor of n_embd, which is ${dim}`)
  const layers = read.has('n_layer') ? read.layers('n_layer') : 12
  read.only('add_cross_attention', false)
  const isScaled = read.flag('scale_attn_weights', true)
  const isByLayer = read.flag('scale_attn_by_inverse_layer_idx', false)
  const scale = isScaled ? 1 / Math.sqrt(dim / heads) : 1
  return {
    vocabulary: read.count('vocab_size', 50257),
    context: read.count('n_positions', 1024),
    layers,
    dim,
    ffn: read.count('n_inner', 4 * dim),
    heads,
    kvHeads: heads,
    headDim: dim / heads,
    eps: read.positive('layer_norm_epsilon', 1e-5),
    hasBias: true,
    activation: readActivation(read, 'activation_function', 'gelu_tanh'),
    prefix: read.shapeOf('wte.weight') ? '' : 'transformer.',
    tied: read.flag('tie_word_embeddings', true) && read.shapeOf('lm_head.weight') === undefined,
    scales: Array.from({ length: layers }, (_, i) => (isByLayer ? scale / (i + 1) : scale)),
  }
}

function fromGguf(read: ConfigReader): Gpt2Config {
  const c = plainFromGguf(read, 'gelu_tanh')
  read.only('attention.key_length', c.dim / c.heads)
  read.only('attention.head_count_kv', c.heads)
  const scales = Array.from({ length: c.layers }, () => 1 / Math.sqrt(c.headDim))
  const tied = read.shapeOf('output.weight') === undefined
  return { ...c, hasBias: true, prefix: '', tied, scales }
}

function toTransformers(c: Gpt2Config): TransformersForm {
  const root = Math.sqrt(c.headDim)
  const first = c.scales[0]!
  const isByLayer = c.scales.some((scale) => scale !== first)
  return {
    config: {
      architectures: ['GPT2LMHeadModel'],
      model_type: 'gpt2',
      vocab_size: c.vocabulary,
      n_positions: c.context,
      n_embd: c.dim,
      n_layer: c.layers,
      n_head: c.heads,
      n_inner: c.ffn,
      activation_function: spelledActivation(c.activation, 'gpt2'),
      layer_norm_epsilon: c.eps,
      scale_attn_weights: Math.abs(first * root - 1) < 1e-12,
      scale_attn_by_inverse_layer_idx: isByLayer,
      tie_word_embeddings: c.tied,
      ...noSpecialTokens(undefined),
    },
    rowOf: (_weight, row) => row,
  }
}

function weights(c: Gpt2Config): readonly WeightSpec[] {
  const layers = Array.from({ length: c.layers }, (_, i) => {
    const [ours, theirs] = [`blk.${i}.`, `${c.prefix}h.${i}.`]
    return [
      ...normSpecs(`${ours}attn_norm`, `${theirs}ln_1`, c.dim),
      ...productSpecs(c, `${ours}attn_qkv`, `${theirs}attn.c_attn`, [3 * c.dim, c.dim], 'transpose'),
      ...productSpecs(c, `${ours}attn_output`, `${theirs}attn.c_proj`, [c.dim, c.dim], 'transpose'),
      ...normSpecs(`${ours}ffn_norm`, `${theirs}ln_2`, c.dim),
      ...productSpecs(c, `${ours}ffn_up`, `${theirs}mlp.c_fc`, [c.ffn, c.dim], 'transpose'),
      ...productSpecs(c, `${ours}ffn_down`, `${theirs}mlp.c_proj`, [c.dim, c.ffn], 'transpose'),
    ]
  })
  return [
    weightSpec('token_embd.weight', `${c.prefix}wte.weight`, c.vocabulary, c.dim),
    weightSpec('position_embd.weight', `${c.prefix}wpe.weight`, c.context, c.dim),
    ...layers.flat(),
    ...normSpecs('output_norm', `${c.prefix}ln_f`, c.dim),
    ...(c.tied ? [] : [weightSpec('output.weight', 'lm_head.weight', c.vocabulary, c.dim)]),
  ]
}

/** GPT-2: learned positions, q, k and v from one product, matrices stored [in, out] in transformers folders. */
export const gpt2 = defineTemplate<Gpt2Config>({
  name: 'gpt2',
  gguf: ['gpt2'],
  transformers: ['GPT2LMHeadModel'],
  tokenizer: 'byte-level BPE',
  config: { gguf: fromGguf, transformers: fromTransformers },
  weights,
  // Causal masks of old exports.
  ignored: [/(^|\.)h\.\d+\.attn\.(masked_)?bias$/],
  graph(g, c, w) {
    const { ids, positions, index } = decoderInputs(g)
    const tokens = g.apply(embedding, 'token_embd', { ids, table: w('token_embd.weight') }, {})
    const places = g.apply(embedding, 'position_embd', { ids: positions, table: w('position_embd.weight') }, {})
    let x = g.apply(add, 'embd', { x: tokens, z: places }, {})
    c.scales.forEach((scale, i) => {
      const at = plainBlock(g, c, w, `blk.${i}.`)
      x = addParts(at, x, attend(at, projectTogether(at, norm(at, 'attn_norm', x)), { scale }))
    })
    outputs(plainBlock(g, c, w, ''), x, index, c.tied)
  },
  toGguf: (c) => ({
    metadata: plainToGguf('gpt2', c, 'gelu_tanh'),
    rowOf: (_weight, row) => row,
    // Files know one scale of attention only: what a layer's own differs by goes into its queries.
    factorsOf(weight) {
      const layer = Number(/^blk\.(\d+)\.attn_qkv\./.exec(weight)?.[1] ?? Number.NaN)
      const factor = Number.isNaN(layer) ? 1 : c.scales[layer]! * Math.sqrt(c.headDim)
      return Math.abs(factor - 1) < 1e-12 ? undefined : (row) => (row < c.dim ? factor : 1)
    },
  }),
  toTransformers,
  fresh: {
    usual: { eps: 1e-5, tied: true, ffn: 4, isPlain: true },
    config: ({ theta: _theta, window: _window, ...sizes }) => ({
      ...sizes,
      hasBias: true,
      activation: 'gelu_tanh',
      prefix: 'transformer.',
      scales: Array.from({ length: sizes.layers }, () => 1 / Math.sqrt(sizes.headDim)),
    }),
    // What is added to the stream 2 · layers times: Radford et al. 2019, section 2.3.
    initial: (weight, { layers }) =>
      /\.(attn_output|ffn_down)\.weight$/.test(weight)
        ? { kind: 'method', times: 1 / Math.sqrt(2 * layers) }
        : undefined,
  },
  sizes: plainSizes,
})
