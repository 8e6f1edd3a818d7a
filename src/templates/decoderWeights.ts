import type { DecoderConfig } from './decoderConfig.ts'
import type { WeightSpec } from './template.ts'

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
  const rope = c.ropes[0]!
  const factors = weightSpec('rope_freqs.weight', 'rope_freqs.weight', rope.pairs)
  return [
    weightSpec('token_embd.weight', 'model.embed_tokens.weight', c.vocabulary, c.dim),
    ...(rope.factors === 'none' ? [] : [rope.factors === 'stored' ? factors : { ...factors, values: rope.factors }]),
    ...layers.flat(),
    weightSpec('output_norm.weight', 'model.norm.weight', c.dim),
    ...(c.tied ? [] : [weightSpec('output.weight', 'lm_head.weight', c.vocabulary, c.dim)]),
  ]
}
