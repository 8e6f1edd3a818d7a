import { countValue, type GgufValue } from '../../formats/ggufValue.ts'
import type { Activation } from '../../ops/activations.ts'
import type { ConfigReader } from '../configReader.ts'
import { type Dimensions, headWidth, sharedHeads } from '../dimensions.ts'
import type { ModelSizes } from '../template.ts'
import { activationName, readActivation } from './activationNames.ts'

/** What the families with LayerNorm, biases and a feed-forward without a gate have in common. */
export interface PlainConfig extends Dimensions {
  /** Products have biases. Norms always have. */
  readonly hasBias: boolean
  readonly activation: Activation
}

/** What a GGUF file says of a family with LayerNorm. It names an activation only where it is not `usual`. */
export function plainFromGguf(read: ConfigReader, usual: Activation): Omit<PlainConfig, 'hasBias'> {
  const dim = read.count('embedding_length')
  const heads = read.count('attention.head_count')
  const headDim = headWidth(read, 'attention.key_length', 'attention.head_count', dim, heads)
  read.only('attention.value_length', headDim)
  read.only('expert_count', 0)
  return {
    vocabulary: read.shapeOf('token_embd.weight')?.[0] ?? read.count('vocab_size'),
    context: read.count('context_length'),
    layers: read.layers('block_count'),
    dim,
    ffn: read.count('feed_forward_length'),
    heads,
    kvHeads: sharedHeads(read, 'attention.head_count_kv', heads),
    headDim,
    eps: read.positive('attention.layer_norm_epsilon'),
    activation: readActivation(read, 'hidden_activation', usual),
  }
}

/** The keys of a GGUF file that say the same as `plainFromGguf` reads. */
export function plainToGguf(family: string, c: PlainConfig, usual: Activation): Readonly<Record<string, GgufValue>> {
  const own = c.headDim * c.heads !== c.dim
  return {
    [`${family}.block_count`]: countValue(c.layers),
    [`${family}.context_length`]: countValue(c.context),
    [`${family}.embedding_length`]: countValue(c.dim),
    [`${family}.feed_forward_length`]: countValue(c.ffn),
    [`${family}.attention.head_count`]: countValue(c.heads),
    ...(c.kvHeads === c.heads ? {} : { [`${family}.attention.head_count_kv`]: countValue(c.kvHeads) }),
    ...(own ? { [`${family}.attention.key_length`]: countValue(c.headDim) } : {}),
    ...(own ? { [`${family}.attention.value_length`]: countValue(c.headDim) } : {}),
    [`${family}.attention.layer_norm_epsilon`]: { type: 'float32', value: c.eps },
    ...(c.activation === usual
      ? {}
      : { [`${family}.hidden_activation`]: { type: 'string', value: activationName(c.activation) } }),
    [`${family}.vocab_size`]: countValue(c.vocabulary),
  }
}

export function plainSizes({ vocabulary, context, layers }: PlainConfig): ModelSizes {
  return { vocabulary, context, layers }
}
