import type { GgufValue } from '../../formats/ggufValue.ts'
import type { Activation } from '../../ops/activations.ts'
import type { ConfigReader } from '../configReader.ts'
import type { ModelSizes } from '../template.ts'
import { activationName, readActivation } from './activationNames.ts'

/** What the families with LayerNorm, biases and a feed-forward without a gate have in common. */
export interface PlainConfig {
  readonly vocabulary: number
  readonly context: number
  readonly layers: number
  readonly dim: number
  readonly ffn: number
  readonly heads: number
  readonly kvHeads: number
  readonly headDim: number
  readonly eps: number
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
    kvHeads: sharedHeads(read, 'attention.head_count_kv', heads, heads),
    headDim,
    eps: read.positive('attention.layer_norm_epsilon'),
    activation: readActivation(read, 'hidden_activation', usual),
  }
}

/** The keys of a GGUF file that say the same as `plainFromGguf` reads. */
export function plainToGguf(family: string, c: PlainConfig, usual: Activation): Readonly<Record<string, GgufValue>> {
  const own = c.headDim * c.heads !== c.dim
  return {
    [`${family}.block_count`]: count(c.layers),
    [`${family}.context_length`]: count(c.context),
    [`${family}.embedding_length`]: count(c.dim),
    [`${family}.feed_forward_length`]: count(c.ffn),
    [`${family}.attention.head_count`]: count(c.heads),
    ...(c.kvHeads === c.heads ? {} : { [`${family}.attention.head_count_kv`]: count(c.kvHeads) }),
    ...(own ? { [`${family}.attention.key_length`]: count(c.headDim) } : {}),
    ...(own ? { [`${family}.attention.value_length`]: count(c.headDim) } : {}),
    [`${family}.attention.layer_norm_epsilon`]: { type: 'float32', value: c.eps },
    ...(c.activation === usual
      ? {}
      : { [`${family}.hidden_activation`]: { type: 'string', value: activationName(c.activation) } }),
    [`${family}.vocab_size`]: count(c.vocabulary),
  }
}

/** A whole number as GGUF files have it. */
export function count(value: number): GgufValue {
  return { type: 'uint32', value }
}

/** Heads of keys and values, a divisor of those of queries. */
export function sharedHeads(read: ConfigReader, key: string, heads: number, fallback: number): number {
  const shared = read.count(key, fallback)
  return heads % shared === 0 ? shared : read.refuse(key, shared, `a divisor of the ${heads} attention heads`)
}

/** No model has wider heads. */
const widestHead = 65536

/** The width of a head as its key says, else the model's width divided among the heads. */
export function headWidth(read: ConfigReader, key: string, headsKey: string, dim: number, heads: number): number {
  if (!read.has(key) && dim % heads !== 0)
    read.refuse(headsKey, heads, `a divisor of the width ${dim}, or a '${key}' beside it`)
  return read.count(key, dim / heads, widestHead)
}

export function plainSizes({ vocabulary, context, layers }: PlainConfig): ModelSizes {
  return { vocabulary, context, layers }
}
