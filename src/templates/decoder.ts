import type { GraphBuilder } from '../ir/build.ts'
import type { Operand } from '../ir/op.ts'
import { add } from '../ops/add.ts'
import { attention } from '../ops/attention.ts'
import { embedding } from '../ops/embedding.ts'
import { linear } from '../ops/linear.ts'
import { multiply } from '../ops/multiply.ts'
import { reshape } from '../ops/reshape.ts'
import { rmsNorm } from '../ops/rmsNorm.ts'
import { rope } from '../ops/rope.ts'
import { ropeTable } from '../ops/ropeTable.ts'
import { silu } from '../ops/silu.ts'
import { takeRows } from '../ops/takeRows.ts'
import type { ConfigReader } from './configReader.ts'
import { type RopeConfig, ropeFromGguf, ropeFromTransformers } from './ropeScaling.ts'
import type { ModelSizes, WeightSpec } from './template.ts'

/** What the decoder families with pre-norm blocks, grouped attention and a gated feed-forward have in common. */
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
  readonly rope: RopeConfig
}

/** Config of a GGUF checkpoint. `style` is the family's: converters reorder some families' heads for pairwise turns. */
export function decoderFromGguf(read: ConfigReader, style: RopeConfig['style']): DecoderConfig {
  const dim = read.count('embedding_length')
  const heads = read.count('attention.head_count')
  const headDim = headWidth(read, 'attention.key_length', 'attention.head_count', dim, heads)
  read.only('attention.value_length', headDim)
  read.only('expert_count', 0)
  const table = read.shapeOf('token_embd.weight')
  return checkHeads(read, 'attention.head_count_kv', {
    vocabulary: table?.[0] ?? read.count('vocab_size'),
    context: read.count('context_length'),
    layers: read.layers('block_count'),
    dim,
    ffn: read.count('feed_forward_length'),
    heads,
    kvHeads: read.count('attention.head_count_kv', heads),
    headDim,
    eps: read.positive('attention.layer_norm_rms_epsilon'),
    tied: read.shapeOf('output.weight') === undefined,
    rope: ropeFromGguf(read, style, headDim),
  })
}

/** Config of config.json. */
export function decoderFromTransformers(read: ConfigReader): DecoderConfig {
  const dim = read.count('hidden_size')
  const heads = read.count('num_attention_heads')
  const headDim = headWidth(read, 'head_dim', 'num_attention_heads', dim, heads)
  read.only('hidden_act', 'silu')
  read.only('attention_bias', false)
  read.only('mlp_bias', false)
  read.only('use_sliding_window', false)
  return checkHeads(read, 'num_key_value_heads', {
    vocabulary: read.count('vocab_size'),
    context: read.count('max_position_embeddings', 2048),
    layers: read.layers('num_hidden_layers'),
    dim,
    ffn: read.count('intermediate_size'),
    heads,
    kvHeads: read.count('num_key_value_heads', heads),
    headDim,
    eps: read.positive('rms_norm_eps', 1e-6),
    tied: read.flag('tie_word_embeddings', false) && read.shapeOf('lm_head.weight') === undefined,
    rope: ropeFromTransformers(read, headDim),
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

/** A weight whose GGUF name is ours. */
export function weightSpec(name: string, transformers: string, ...shape: number[]): WeightSpec {
  return { name, gguf: name, transformers, shape }
}

/** The weights of the decoder; `perLayer` adds those that a family has besides. */
export function decoderWeights(
  c: DecoderConfig,
  perLayer: (ours: string, theirs: string) => readonly WeightSpec[] = () => [],
): readonly WeightSpec[] {
  const layers = Array.from({ length: c.layers }, (_, i) => {
    const ours = `blk.${i}.`
    const theirs = `model.layers.${i}.`
    return [
      weightSpec(`${ours}attn_norm.weight`, `${theirs}input_layernorm.weight`, c.dim),
      weightSpec(`${ours}attn_q.weight`, `${theirs}self_attn.q_proj.weight`, c.heads * c.headDim, c.dim),
      weightSpec(`${ours}attn_k.weight`, `${theirs}self_attn.k_proj.weight`, c.kvHeads * c.headDim, c.dim),
      weightSpec(`${ours}attn_v.weight`, `${theirs}self_attn.v_proj.weight`, c.kvHeads * c.headDim, c.dim),
      weightSpec(`${ours}attn_output.weight`, `${theirs}self_attn.o_proj.weight`, c.dim, c.heads * c.headDim),
      weightSpec(`${ours}ffn_norm.weight`, `${theirs}post_attention_layernorm.weight`, c.dim),
      weightSpec(`${ours}ffn_gate.weight`, `${theirs}mlp.gate_proj.weight`, c.ffn, c.dim),
      weightSpec(`${ours}ffn_up.weight`, `${theirs}mlp.up_proj.weight`, c.ffn, c.dim),
      weightSpec(`${ours}ffn_down.weight`, `${theirs}mlp.down_proj.weight`, c.dim, c.ffn),
      ...perLayer(ours, theirs),
    ]
  })
  const factors = weightSpec('rope_freqs.weight', 'rope_freqs.weight', c.rope.pairs)
  return [
    weightSpec('token_embd.weight', 'model.embed_tokens.weight', c.vocabulary, c.dim),
    ...(c.rope.factors === 'none'
      ? []
      : [c.rope.factors === 'stored' ? factors : { ...factors, values: c.rope.factors }]),
    ...layers.flat(),
    weightSpec('output_norm.weight', 'model.norm.weight', c.dim),
    ...(c.tied ? [] : [weightSpec('output.weight', 'lm_head.weight', c.vocabulary, c.dim)]),
  ]
}

/** What a block works with besides its input. */
export interface BlockContext {
  readonly g: GraphBuilder
  readonly c: DecoderConfig
  /** A weight of this block (`attn_q`), without prefix and suffix. */
  readonly w: (name: string) => Operand
  /** The name of a value of this block. */
  readonly named: (name: string) => string
  /** Cosines and sines of the step's positions. */
  readonly turns: Operand
}

/** embedding → blocks → norm → head, over the inputs ids, positions and output_index. */
export function buildDecoder(
  g: GraphBuilder,
  c: DecoderConfig,
  w: (name: string) => Operand,
  block: (at: BlockContext, x: Operand) => Operand,
): void {
  const ids = g.input('ids', { dtype: 'i32', shape: ['tokens'] })
  const positions = g.input('positions', { dtype: 'i32', shape: ['tokens'] })
  const index = g.input('output_index', { dtype: 'i32', shape: ['outputs'] })
  const factors = c.rope.factors === 'none' ? {} : { factors: w('rope_freqs.weight') }
  const { pairs, theta, scale } = c.rope
  const turns = g.apply(ropeTable, 'rope', { positions, ...factors }, { pairs, theta, scale })
  let x = g.apply(embedding, 'token_embd', { ids, table: w('token_embd.weight') }, {})
  for (let i = 0; i < c.layers; i++) {
    const named = (name: string) => `blk.${i}.${name}`
    x = block({ g, c, w: (name) => w(`${named(name)}.weight`), named, turns }, x)
  }
  const normed = g.apply(rmsNorm, 'output_norm', { x, gain: w('output_norm.weight') }, { eps: c.eps })
  const rows = g.apply(takeRows, 'output_rows', { x: normed, index }, {})
  const head = w(c.tied ? 'token_embd.weight' : 'output.weight')
  g.output(g.apply(linear, 'logits', { x: rows, w: head }, {}))
}

/** Projections, turns, causal attention over grouped heads, output projection. `adjust` may change q and k before the turn. */
export function selfAttention(
  { g, c, w, named, turns }: BlockContext,
  h: Operand,
  adjust: (which: 'attn_q' | 'attn_k', heads: Operand) => Operand = (_, heads) => heads,
): Operand {
  const heads = (which: 'attn_q' | 'attn_k' | 'attn_v', count: number) => {
    const product = g.apply(linear, named(which), { x: h, w: w(which) }, {})
    return g.apply(reshape, named(`${which}_heads`), { x: product }, { heads: count })
  }
  const turned = (which: 'attn_q' | 'attn_k', count: number) => {
    const x = adjust(which, heads(which, count))
    return g.apply(rope, named(`${which}_rope`), { x, table: turns }, { style: c.rope.style })
  }
  const q = turned('attn_q', c.heads)
  const k = turned('attn_k', c.kvHeads)
  const v = heads('attn_v', c.kvHeads)
  const mixed = g.apply(attention, named('attn'), { q, k, v }, { scale: 1 / Math.sqrt(c.headDim) })
  const flat = g.apply(reshape, named('attn_flat'), { x: mixed }, { heads: 0 })
  return g.apply(linear, named('attn_output'), { x: flat, w: w('attn_output') }, {})
}

/** down(silu(gate(h)) · up(h)) */
export function gatedFeedForward({ g, w, named }: BlockContext, h: Operand): Operand {
  const gate = g.apply(linear, named('ffn_gate'), { x: h, w: w('ffn_gate') }, {})
  const up = g.apply(linear, named('ffn_up'), { x: h, w: w('ffn_up') }, {})
  const active = g.apply(silu, named('ffn_silu'), { x: gate }, {})
  const gated = g.apply(multiply, named('ffn_gated'), { x: active, z: up }, {})
  return g.apply(linear, named('ffn_down'), { x: gated, w: w('ffn_down') }, {})
}

/** x + attention(norm(x)), then + feedForward(norm(that)): the pre-norm block. */
export function preNormBlock(at: BlockContext, x: Operand, adjust?: Parameters<typeof selfAttention>[2]): Operand {
  const { g, c, w, named } = at
  const h = g.apply(rmsNorm, named('attn_norm'), { x, gain: w('attn_norm') }, { eps: c.eps })
  const y = g.apply(add, named('attn_residual'), { x, z: selfAttention(at, h, adjust) }, {})
  const m = g.apply(rmsNorm, named('ffn_norm'), { x: y, gain: w('ffn_norm') }, { eps: c.eps })
  return g.apply(add, named('ffn_residual'), { x: y, z: gatedFeedForward(at, m) }, {})
}
