import { countValue } from '../formats/ggufValue.ts'
import { add } from '../ops/add.ts'
import { embedding } from '../ops/embedding.ts'
import { l2Norm } from '../ops/l2Norm.ts'
import { poolRows } from '../ops/poolRows.ts'
import type { PoolKind } from '../ops/poolRowsBackward.ts'
import type { ConfigReader } from './configReader.ts'
import { noSpecialTokens } from './decoder/decoderToTransformers.ts'
import { weightSpec } from './decoder/decoderWeights.ts'
import { headWidth } from './dimensions.ts'
import { readActivation, spelledActivation } from './plain/activationNames.ts'
import { attend, feedForward, norm, plainBlock, projectApart } from './plain/plainBlocks.ts'
import { type PlainConfig, plainFromGguf, plainSizes, plainToGguf } from './plain/plainConfig.ts'
import { normSpecs, productSpecs } from './plain/plainWeights.ts'
import { defineTemplate, type WeightSpec } from './template.ts'

/** Added to the squares of a pooled row: one of zeros stays as it is. */
const shortest = 1e-24

interface BertConfig extends PlainConfig {
  /** What the names of a transformers folder begin with: `bert.` where a head stands beside the encoder. */
  readonly prefix: string
  /** The names of a norm's gain and bias in a transformers folder; the first published ones differ. */
  readonly normParts: readonly [string, string]
  /** Rows of the table of token types. A text alone is of type 0. */
  readonly types: number
  readonly pooling: PoolKind
}

function fromTransformers(read: ConfigReader): BertConfig {
  const dim = read.count('hidden_size', 768)
  const heads = read.count('num_attention_heads', 12)
  const headDim = headWidth(read, 'head_dim', 'num_attention_heads', dim, heads)
  if (headDim * heads !== dim) read.refuse('num_attention_heads', heads, `a divisor of the width ${dim}`)
  read.only('position_embedding_type', 'absolute')
  read.only('is_decoder', false)
  read.only('add_cross_attention', false)
  const prefix = read.shapeOf('bert.embeddings.word_embeddings.weight') ? 'bert.' : ''
  return {
    vocabulary: read.count('vocab_size', 30522),
    context: read.count('max_position_embeddings', 512),
    layers: read.layers('num_hidden_layers'),
    dim,
    ffn: read.count('intermediate_size', 3072),
    heads,
    kvHeads: heads,
    headDim,
    eps: read.positive('layer_norm_eps', 1e-12),
    hasBias: true,
    activation: readActivation(read, 'hidden_act', 'gelu_erf'),
    prefix,
    normParts: read.shapeOf(`${prefix}embeddings.LayerNorm.gamma`) ? ['gamma', 'beta'] : ['weight', 'bias'],
    types: read.count('type_vocab_size', 2),
    pooling: poolingOf(read),
  }
}

/** What sentence-transformers' 1_Pooling/config.json asks for; the mean where there is none. */
function poolingOf(read: ConfigReader): PoolKind {
  const kinds: { readonly [key: string]: PoolKind } = {
    pooling_mode_mean_tokens: 'mean',
    pooling_mode_cls_token: 'first',
  }
  const on = read.poolingKeys().filter((key) => /^pooling_mode_.*tokens?$/.test(key) && read.pooling(key) === true)
  const accepted = 'one of pooling_mode_mean_tokens and pooling_mode_cls_token'
  if (on.length > 1) read.refuse('pooling_mode', on.join(', '), accepted)
  const [key] = on
  if (key !== undefined) return kinds[key] ?? read.refuse(key, true, accepted)
  const mode = read.pooling('pooling_mode')
  if (mode === undefined || mode === 'mean') return 'mean'
  return mode === 'cls' ? 'first' : read.refuse('pooling_mode', mode, 'mean, cls')
}

/** `pooling_type` of GGUF files: 1 is the mean, 2 the first token. */
const poolingTypes: readonly PoolKind[] = ['mean', 'first']

function fromGguf(read: ConfigReader): BertConfig {
  const c = plainFromGguf(read, 'gelu_erf')
  read.only('attention.head_count_kv', c.heads)
  read.only('attention.key_length', c.dim / c.heads)
  read.only('attention.causal', false)
  return {
    ...c,
    hasBias: true,
    prefix: '',
    normParts: ['weight', 'bias'],
    types: read.shapeOf('token_types.weight')?.[0] ?? 2,
    pooling: poolingTypes[read.count('pooling_type', 1, poolingTypes.length) - 1]!,
  }
}

function weights(c: BertConfig): readonly WeightSpec[] {
  const norms = (name: string, theirs: string) => normSpecs(name, c.prefix + theirs, c.dim, c.normParts)
  const products = (name: string, theirs: string, shape: readonly [number, number]) =>
    productSpecs(c, name, c.prefix + theirs, shape)
  const layers = Array.from({ length: c.layers }, (_, i) => {
    const [ours, theirs] = [`blk.${i}.`, `encoder.layer.${i}.`]
    return [
      ...products(`${ours}attn_q`, `${theirs}attention.self.query`, [c.dim, c.dim]),
      ...products(`${ours}attn_k`, `${theirs}attention.self.key`, [c.dim, c.dim]),
      ...products(`${ours}attn_v`, `${theirs}attention.self.value`, [c.dim, c.dim]),
      ...products(`${ours}attn_output`, `${theirs}attention.output.dense`, [c.dim, c.dim]),
      ...norms(`${ours}attn_output_norm`, `${theirs}attention.output.LayerNorm`),
      ...products(`${ours}ffn_up`, `${theirs}intermediate.dense`, [c.ffn, c.dim]),
      ...products(`${ours}ffn_down`, `${theirs}output.dense`, [c.dim, c.ffn]),
      ...norms(`${ours}layer_output_norm`, `${theirs}output.LayerNorm`),
    ]
  })
  return [
    weightSpec('token_embd.weight', `${c.prefix}embeddings.word_embeddings.weight`, c.vocabulary, c.dim),
    weightSpec('position_embd.weight', `${c.prefix}embeddings.position_embeddings.weight`, c.context, c.dim),
    weightSpec('token_types.weight', `${c.prefix}embeddings.token_type_embeddings.weight`, c.types, c.dim),
    ...norms('token_embd_norm', 'embeddings.LayerNorm'),
    ...layers.flat(),
  ]
}

/** BERT as an encoder of texts: norms behind each part, every token reads all, one vector of unit length per text. */
export const bert = defineTemplate<BertConfig>({
  name: 'bert',
  gguf: ['bert'],
  transformers: ['BertModel', 'BertForMaskedLM', 'BertForPreTraining'],
  tokenizer: 'WordPiece',
  config: { gguf: fromGguf, transformers: fromTransformers },
  weights,
  // Heads for other tasks than embedding.
  ignored: [/^(bert\.)?pooler\./, /^cls\./],
  graph(g, c, w) {
    const rows = (name: string, ids: string) =>
      g.apply(
        embedding,
        name,
        { ids: g.input(ids, { dtype: 'i32', shape: ['tokens'] }), table: w(`${name}.weight`) },
        {},
      )
    const whole = plainBlock(g, c, w, '')
    const tokens = rows('token_embd', 'ids')
    const placed = g.apply(add, 'placed', { x: tokens, z: rows('position_embd', 'positions') }, {})
    const typed = g.apply(add, 'typed', { x: placed, z: rows('token_types', 'types') }, {})
    let x = norm(whole, 'token_embd_norm', typed)
    for (let i = 0; i < c.layers; i++) {
      const at = plainBlock(g, c, w, `blk.${i}.`)
      const mixed = attend(at, projectApart(at, x), { scale: 1 / Math.sqrt(c.headDim), causal: false })
      const y = norm(at, 'attn_output_norm', g.apply(add, at.named('attn_residual'), { x, z: mixed }, {}))
      const sum = g.apply(add, at.named('ffn_residual'), { x: y, z: feedForward(at, y) }, {})
      x = norm(at, 'layer_output_norm', sum)
    }
    g.output(
      g.apply(l2Norm, 'embedding', { x: g.apply(poolRows, 'pooled', { x }, { kind: c.pooling }) }, { eps: shortest }),
    )
  },
  toGguf: (c) => ({
    metadata: {
      ...plainToGguf('bert', c, 'gelu_erf'),
      'bert.attention.causal': { type: 'bool', value: false },
      'bert.pooling_type': countValue(poolingTypes.indexOf(c.pooling) + 1),
      'tokenizer.ggml.token_type_count': countValue(c.types),
    },
    rowOf: (_weight, row) => row,
  }),
  toTransformers: (c) => ({
    config: {
      architectures: ['BertModel'],
      model_type: 'bert',
      vocab_size: c.vocabulary,
      max_position_embeddings: c.context,
      type_vocab_size: c.types,
      hidden_size: c.dim,
      intermediate_size: c.ffn,
      num_hidden_layers: c.layers,
      num_attention_heads: c.heads,
      hidden_act: spelledActivation(c.activation),
      layer_norm_eps: c.eps,
      ...noSpecialTokens(undefined),
    },
    pooling: { [`pooling_mode_${c.pooling === 'mean' ? 'mean_tokens' : 'cls_token'}`]: true },
    rowOf: (_weight, row) => row,
  }),
  sizes: (c) => ({ ...plainSizes(c), embedding: c.dim }),
})
