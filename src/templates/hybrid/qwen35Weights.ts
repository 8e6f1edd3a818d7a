import { weightSpec } from '../decoder/decoderWeights.ts'
import type { WeightSpec } from '../template.ts'
import type { Transform } from '../transforms.ts'
import type { Qwen35Config } from './qwen35Config.ts'

/** The weights of a Qwen3.5. Norms are stored less one in transformers' folders, but for that of the recurrent layers. */
export function qwen35Weights(c: Qwen35Config): readonly WeightSpec[] {
  const head = weightSpec('output.weight', 'lm_head.weight', c.vocabulary, c.dim)
  return [
    weightSpec('token_embd.weight', `${c.prefix}embed_tokens.weight`, c.vocabulary, c.dim),
    ...c.pattern.flatMap(({ rope }, i) => {
      const [ours, theirs] = [`blk.${i}.`, `${c.prefix}layers.${i}.`]
      return [
        norm(`${ours}attn_norm.weight`, `${theirs}input_layernorm.weight`, c.dim),
        ...(rope === 'none'
          ? deltaWeights(c, ours, `${theirs}linear_attn.`)
          : attentionWeights(c, ours, `${theirs}self_attn.`)),
        {
          ...norm(`${ours}ffn_norm.weight`, `${theirs}post_attention_layernorm.weight`, c.dim),
          gguf: `${ours}post_attention_norm.weight`,
        },
        weightSpec(`${ours}ffn_gate.weight`, `${theirs}mlp.gate_proj.weight`, c.ffn, c.dim),
        weightSpec(`${ours}ffn_up.weight`, `${theirs}mlp.up_proj.weight`, c.ffn, c.dim),
        weightSpec(`${ours}ffn_down.weight`, `${theirs}mlp.down_proj.weight`, c.dim, c.ffn),
      ]
    }),
    norm('output_norm.weight', `${c.prefix}norm.weight`, c.dim),
    ...(c.tied ? [] : [head]),
  ]
}

/** The gate of attention is the second half of every head's queries. */
function attentionWeights(c: Qwen35Config, ours: string, theirs: string): readonly WeightSpec[] {
  const product = (name: string, other: string, rows: number, cols: number) => [
    weightSpec(`${ours}${name}.weight`, `${theirs}${other}.weight`, rows, cols),
    ...(c.biases.includes(name) ? [weightSpec(`${ours}${name}.bias`, `${theirs}${other}.bias`, rows)] : []),
  ]
  const [queries, keys] = [c.heads * c.headDim, c.kvHeads * c.headDim]
  return [
    ...product('attn_q', 'q_proj', 2 * queries, c.dim),
    ...product('attn_k', 'k_proj', keys, c.dim),
    ...product('attn_v', 'v_proj', keys, c.dim),
    ...product('attn_output', 'o_proj', c.dim, queries),
    norm(`${ours}attn_q_norm.weight`, `${theirs}q_norm.weight`, c.headDim),
    norm(`${ours}attn_k_norm.weight`, `${theirs}k_norm.weight`, c.headDim),
  ]
}

function deltaWeights({ dim, delta }: Qwen35Config, ours: string, theirs: string): readonly WeightSpec[] {
  const { valueHeads, valueWidth, taps } = delta
  const [channels, values] = [channelsOf(delta), valueHeads * valueWidth]
  return [
    weightSpec(`${ours}attn_qkv.weight`, `${theirs}in_proj_qkv.weight`, channels, dim),
    weightSpec(`${ours}attn_gate.weight`, `${theirs}in_proj_z.weight`, values, dim),
    weightSpec(`${ours}ssm_beta.weight`, `${theirs}in_proj_b.weight`, valueHeads, dim),
    weightSpec(`${ours}ssm_alpha.weight`, `${theirs}in_proj_a.weight`, valueHeads, dim),
    {
      ...transformed('depthwise', `${ours}ssm_conv1d.weight`, `${theirs}conv1d.weight`, channels, taps),
      isExact: true,
    },
    { ...transformed('minusExp', `${ours}ssm_a.weight`, `${theirs}A_log`, valueHeads), gguf: `${ours}ssm_a` },
    { ...weightSpec(`${ours}ssm_dt.weight`, `${theirs}dt_bias`, valueHeads), gguf: `${ours}ssm_dt.bias` },
    weightSpec(`${ours}ssm_norm.weight`, `${theirs}norm.weight`, valueWidth),
    weightSpec(`${ours}ssm_out.weight`, `${theirs}out_proj.weight`, dim, values),
  ]
}

/** Channels of the convolution: those of all queries, then all keys, then all values. */
export function channelsOf({ keyHeads, valueHeads, keyWidth, valueWidth }: Qwen35Config['delta']): number {
  return 2 * keyHeads * keyWidth + valueHeads * valueWidth
}

function norm(name: string, transformers: string, width: number): WeightSpec {
  return transformed('plusOne', name, transformers, width)
}

function transformed(transform: Transform, name: string, transformers: string, ...shape: number[]): WeightSpec {
  return { ...weightSpec(name, transformers, ...shape), transform }
}
