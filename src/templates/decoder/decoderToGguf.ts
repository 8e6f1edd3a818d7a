import { countValue, type GgufValue } from '../../formats/ggufValue.ts'
import type { Activation } from '../../ops/activations.ts'
import { activationName } from '../plain/activationNames.ts'
import { ropeMetadata } from '../rope/ropeTables.ts'
import type { GgufForm } from '../template.ts'
import type { DecoderConfig } from './decoderConfig.ts'
import { windowMetadata } from './layerWindows.ts'

/** What files of a family mean where they are silent. */
export interface GgufHabits {
  /** The activation. Default: silu. */
  readonly usual?: Activation
  /** The last of so many layers has no window; absent: all have it. */
  readonly period?: number
}

/**
 * The keys by which a GGUF file of a family describes a config. `isPairwise`: the family's GGUF files have the heads of q and
 * k reordered for pairwise turns, which transformers' have not. `more`: keys that the family has besides.
 */
export function decoderToGguf(
  family: string,
  c: DecoderConfig,
  isPairwise: boolean,
  more: Readonly<Record<string, GgufValue>> = {},
  { usual = 'silu', period }: GgufHabits = {},
): GgufForm {
  const rope = c.ropes[0]!
  const { pairs, style } = rope
  const isReordered = isPairwise && style === 'split'
  const keys: Readonly<Record<string, GgufValue>> = {
    block_count: countValue(c.layers),
    context_length: countValue(c.context),
    embedding_length: countValue(c.dim),
    feed_forward_length: countValue(c.ffn),
    'attention.head_count': countValue(c.heads),
    'attention.head_count_kv': countValue(c.kvHeads),
    'attention.key_length': countValue(c.headDim),
    'attention.value_length': countValue(c.headDim),
    'attention.layer_norm_rms_epsilon': { type: 'float32', value: c.eps },
    ...ropeMetadata(rope),
    ...windowMetadata(
      c.pattern.map(({ window }) => window),
      period,
    ),
    ...(c.activation === usual ? {} : { hidden_activation: { type: 'string', value: activationName(c.activation) } }),
    ...more,
    vocab_size: countValue(c.vocabulary),
  }
  return {
    metadata: Object.fromEntries(Object.entries(keys).map(([key, value]) => [`${family}.${key}`, value])),
    rowOf: (weight, row) => {
      if (!isReordered || !/\.attn_[qk]\.(weight|bias)$/.test(weight)) return row
      const within = row % c.headDim
      // What is beyond the pairs does not turn and stays.
      return within < 2 * pairs ? row - within + (within % 2) * pairs + Math.floor(within / 2) : row
    },
  }
}
