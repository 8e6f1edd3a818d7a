import { ropeSpecs } from '../rope/ropeTables.ts'
import type { WeightSpec } from '../template.ts'
import type { DecoderConfig } from './decoderConfig.ts'

/** A weight whose GGUF name is ours. */
export function weightSpec(name: string, transformers: string, ...shape: number[]): WeightSpec {
  return { name, gguf: name, transformers, shape }
}

/** Norms of a layer over the width of the model: transformers' names by ours. */
export type LayerNorms = Readonly<Record<string, string>>

const preNorms: LayerNorms = { attn_norm: 'input_layernorm', ffn_norm: 'post_attention_layernorm' }

/** The weights of the decoder; `perLayer` adds those that a family has besides. */
export function decoderWeights(
  c: DecoderConfig,
  perLayer: (ours: string, theirs: string) => readonly WeightSpec[] = () => [],
  norms: LayerNorms = preNorms,
): readonly WeightSpec[] {
  const layers = Array.from({ length: c.layers }, (_, i) => {
    const ours = `blk.${i}.`
    const theirs = `model.layers.${i}.`
    const gains = Object.entries(norms).map(([name, its]) => [
      weightSpec(`${ours}${name}.weight`, `${theirs}${its}.weight`, c.dim),
    ])
    return [
      ...gains.slice(0, 1).flat(),
      ...attentionProducts(c).flatMap((product) => productSpecs(c, ours, theirs, product)),
      ...gains.slice(1).flat(),
      ...feedForwardProducts(c).flatMap((product) => productSpecs(c, ours, theirs, product)),
      ...perLayer(ours, theirs),
    ]
  })
  return [
    weightSpec('token_embd.weight', 'model.embed_tokens.weight', c.vocabulary, c.dim),
    ...ropeSpecs(c.ropes),
    ...layers.flat(),
    weightSpec('output_norm.weight', 'model.norm.weight', c.dim),
    ...(c.tied ? [] : [weightSpec('output.weight', 'lm_head.weight', c.vocabulary, c.dim)]),
  ]
}

/** A product's names in GGUF and in transformers, and the shape of its weight. `part`: see WeightSpec. */
type Product = readonly [ours: string, theirs: string, rows: number, cols: number, part?: WeightSpec['part']]

function attentionProducts({ dim, heads, kvHeads, headDim, fused }: DecoderConfig): readonly Product[] {
  const [queries, keys] = [heads * headDim, kvHeads * headDim]
  const output: Product = ['attn_output', 'self_attn.o_proj', dim, queries]
  if (fused.includes('attn_qkv')) return [['attn_qkv', 'self_attn.qkv_proj', queries + 2 * keys, dim], output]
  return [
    ['attn_q', 'self_attn.q_proj', queries, dim],
    ['attn_k', 'self_attn.k_proj', keys, dim],
    ['attn_v', 'self_attn.v_proj', keys, dim],
    output,
  ]
}

function feedForwardProducts({ dim, ffn, fused }: DecoderConfig): readonly Product[] {
  const down: Product = ['ffn_down', 'mlp.down_proj', dim, ffn]
  if (fused.includes('ffn_up')) {
    const part = (from: number) => ({ from, of: 2 * ffn })
    return [
      ['ffn_gate', 'mlp.gate_up_proj', ffn, dim, part(0)],
      ['ffn_up', 'mlp.gate_up_proj', ffn, dim, part(ffn)],
      down,
    ]
  }
  return [['ffn_gate', 'mlp.gate_proj', ffn, dim], ['ffn_up', 'mlp.up_proj', ffn, dim], down]
}

function productSpecs(c: DecoderConfig, before: string, beforeTheirs: string, product: Product): readonly WeightSpec[] {
  const [ours, theirs, rows, cols, part] = product
  const named = weightSpec(`${before}${ours}.weight`, `${beforeTheirs}${theirs}.weight`, rows, cols)
  // GGUF calls the gate and what it gates by the name of the latter.
  const weight = part ? { ...named, gguf: `${before}ffn_up.weight`, part } : named
  if (!c.biases.includes(ours)) return [weight]
  return [weight, weightSpec(`${before}${ours}.bias`, `${beforeTheirs}${theirs}.bias`, rows)]
}
