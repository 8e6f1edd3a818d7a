import { decoderToTransformers } from '../decoder/decoderToTransformers.ts'
import type { StoredVector, TransformersForm } from '../template.ts'
import type { DeltaSizes, Qwen35Config } from './qwen35Config.ts'
import { headRows } from './qwen35ToGguf.ts'

/** A Qwen3.5 as a transformers folder of the language model alone has it, with value heads in `grouped` order. */
export function qwen35ToTransformers(c: Qwen35Config, stored: StoredVector): TransformersForm {
  const { delta } = c
  const { config } = decoderToTransformers(
    c,
    stored,
    { names: ['Qwen3_5ForCausalLM', 'qwen3_5_text'] },
    {
      layer_types: c.pattern.map(({ rope }) => (rope === 'none' ? 'linear_attention' : 'full_attention')),
      linear_num_key_heads: delta.keyHeads,
      linear_num_value_heads: delta.valueHeads,
      linear_key_head_dim: delta.keyWidth,
      linear_value_head_dim: delta.valueWidth,
      linear_conv_kernel_dim: delta.taps,
    },
  )
  const isReordered = delta.order === 'tiled' && delta.keyHeads !== delta.valueHeads
  return {
    config,
    rowOf(weight, row) {
      const tensor = /\.([a-z_0-9]+)\.weight$/.exec(weight)?.[1] ?? ''
      const heads = headRows(delta)[tensor]
      if (!isReordered || !heads || row < heads.from) return row
      return heads.from + tiledPlace(delta, row - heads.from, heads.width)
    },
    colOf: (weight, col) =>
      isReordered && weight.endsWith('.ssm_out.weight') ? tiledPlace(delta, col, delta.valueWidth) : col,
  }
}

/** Where the entry `at` of the grouped order stands in the tiled one, heads being `width` entries wide. */
function tiledPlace({ keyHeads, valueHeads }: DeltaSizes, at: number, width: number): number {
  const head = Math.floor(at / width)
  const perKey = valueHeads / keyHeads
  const tiled = (head % perKey) * keyHeads + Math.floor(head / perKey)
  return tiled * width + (at % width)
}
