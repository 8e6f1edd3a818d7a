import type { GgufValue } from '../formats/ggufValue.ts'
import type { DecoderConfig } from './decoderConfig.ts'
import type { GgufForm } from './template.ts'

/**
 * The keys by which a GGUF file of a family describes a config. `isPairwise`: the family's GGUF files have the heads of q and
 * k reordered for pairwise turns, which transformers' have not.
 */
export function decoderToGguf(family: string, c: DecoderConfig, isPairwise: boolean): GgufForm {
  const { pairs, theta, scale, style } = c.ropes[0]!
  const half = c.headDim / 2
  const isReordered = isPairwise && style === 'split'
  return {
    metadata: {
      [`${family}.block_count`]: count(c.layers),
      [`${family}.context_length`]: count(c.context),
      [`${family}.embedding_length`]: count(c.dim),
      [`${family}.feed_forward_length`]: count(c.ffn),
      [`${family}.attention.head_count`]: count(c.heads),
      [`${family}.attention.head_count_kv`]: count(c.kvHeads),
      [`${family}.attention.key_length`]: count(c.headDim),
      [`${family}.attention.value_length`]: count(c.headDim),
      [`${family}.attention.layer_norm_rms_epsilon`]: { type: 'float32', value: c.eps },
      [`${family}.rope.freq_base`]: { type: 'float32', value: theta },
      [`${family}.rope.dimension_count`]: count(2 * pairs),
      ...(scale === 1
        ? {}
        : {
            [`${family}.rope.scaling.type`]: { type: 'string', value: 'linear' },
            [`${family}.rope.scaling.factor`]: { type: 'float32', value: 1 / scale },
          }),
      [`${family}.vocab_size`]: count(c.vocabulary),
    },
    rowOf: (weight, row) => {
      if (!isReordered || !/\.attn_[qk]\.weight$/.test(weight)) return row
      const within = row % c.headDim
      return row - within + (within % 2) * half + Math.floor(within / 2)
    },
  }
}

const count = (value: number): GgufValue => ({ type: 'uint32', value })
