import { countValue, type GgufValue } from '../../formats/ggufValue.ts'
import { decoderToGguf } from '../decoder/decoderToGguf.ts'
import type { GgufForm } from '../template.ts'
import type { DeltaSizes, Qwen35Config } from './qwen35Config.ts'

/** How the rotation's pairs are shared among the axes of an image; a text has one position for all of them. */
function sectionsOf(pairs: number): readonly number[] {
  const time = Math.ceil(pairs / 3)
  const height = Math.ceil((pairs - time) / 2)
  return [time, height, pairs - time - height, 0]
}

/**
 * A Qwen3.5 as a GGUF file has it. Value heads that share a key head are neighbours in transformers' folders and as many
 * heads apart as there are key heads in GGUF files, in every tensor that has a place for each.
 */
export function qwen35ToGguf(c: Qwen35Config): GgufForm {
  const { delta, pattern } = c
  const interval = pattern.findIndex(({ rope }) => rope !== 'none') + 1
  const isRegular = interval > 0 && pattern.every(({ rope }, i) => (rope === 'none') === ((i + 1) % interval !== 0))
  const isReordered = delta.order === 'grouped' && delta.keyHeads !== delta.valueHeads
  const { metadata } = decoderToGguf('qwen35', c, false)
  const recurrent: GgufValue = { type: 'array', of: 'bool', value: pattern.map(({ rope }) => rope === 'none') }
  return {
    metadata: {
      ...metadata,
      'qwen35.rope.dimension_sections': { type: 'array', of: 'int32', value: sectionsOf(c.ropes[0]!.pairs) },
      'qwen35.ssm.conv_kernel': countValue(delta.taps),
      'qwen35.ssm.state_size': countValue(delta.keyWidth),
      'qwen35.ssm.group_count': countValue(delta.keyHeads),
      'qwen35.ssm.time_step_rank': countValue(delta.valueHeads),
      'qwen35.ssm.inner_size': countValue(delta.valueHeads * delta.valueWidth),
      ...(isRegular
        ? { 'qwen35.full_attention_interval': countValue(interval) }
        : { 'qwen35.attention.recurrent_layers': recurrent }),
    },
    rowOf(weight, row) {
      const tensor = /\.([a-z_0-9]+)\.weight$/.exec(weight)?.[1] ?? ''
      const heads = headRows(delta)[tensor]
      if (!isReordered || !heads || row < heads.from) return row
      return heads.from + groupedPlace(delta, row - heads.from, heads.width)
    },
    colOf: (weight, col) =>
      isReordered && weight.endsWith('.ssm_out.weight') ? groupedPlace(delta, col, delta.valueWidth) : col,
  }
}

/** Rows of value heads, by the tensor's name: where they begin, and how many each head has. */
export function headRows({
  keyHeads,
  keyWidth,
  valueWidth,
}: DeltaSizes): Readonly<Record<string, { readonly from: number; readonly width: number } | undefined>> {
  const channels = { from: 2 * keyHeads * keyWidth, width: valueWidth }
  const one = { from: 0, width: 1 }
  return {
    attn_qkv: channels,
    ssm_conv1d: channels,
    attn_gate: { from: 0, width: valueWidth },
    ssm_alpha: one,
    ssm_beta: one,
    ssm_a: one,
    ssm_dt: one,
  }
}

/** Where the entry `at` of the tiled order stands in the grouped one, heads being `width` entries wide. */
function groupedPlace({ keyHeads, valueHeads }: DeltaSizes, at: number, width: number): number {
  const head = Math.floor(at / width)
  const grouped = (head % keyHeads) * (valueHeads / keyHeads) + Math.floor(head / keyHeads)
  return grouped * width + (at % width)
}
