import type { Json } from '../../formats/checkpoint.ts'
import type { GgufValue } from '../../formats/ggufValue.ts'
import type { ConfigReader } from '../configReader.ts'
import { llama3Divisors, longMagnitude, type YarnScaling, yarnDivisors, yarnMagnitude } from './ropeDivisors.ts'

/** What a rotation is before it is scaled. */
export interface RopeBase {
  readonly pairs: number
  readonly theta: number
  /** Tokens that the checkpoint was made for. */
  readonly trained: number
}

/** How a rotation is scaled: by constants, and by a divisor for each frequency. */
export interface RopeScaling {
  /** Positions are multiplied by it: 1/f for linear scaling by f. */
  readonly scale: number
  /** Cosines and sines are multiplied by it. */
  readonly magnitude: number
  readonly divisors: readonly DivisorList[]
  /** A context of at most so many tokens has divisors of its own; absent: all have the same. */
  readonly short?: number
  /** Tokens that it makes a model fit for; absent: as many as the checkpoint was made for. */
  readonly reach?: number
  /** How GGUF says it: keys behind the family's name. */
  readonly metadata: Readonly<Record<string, GgufValue>>
  /** How config.json says it: keys of `rope_parameters`, but for the lists that `divisors` are. */
  readonly parameters: Readonly<Record<string, Json>>
}

/** Divisors of the frequencies. Of several lists a model uses the one whose turn it is. */
export interface DivisorList {
  /** The tensor that holds them in GGUF. */
  readonly name: string
  /** Absent: the file has them. */
  readonly values?: readonly number[]
  /** No file has them: GGUF has the keys that they follow from. */
  readonly isDerived?: true
  readonly isUsed: boolean
}

/** One kind of scaling. `group` is the path of its object in config.json. */
interface RopeVariant {
  readonly fromTransformers: (read: ConfigReader, group: string, base: RopeBase) => RopeScaling
}

/** One that GGUF has a name for; it says the others by a list of divisors, or not at all. */
interface NamedRopeVariant extends RopeVariant {
  readonly fromGguf: (read: ConfigReader, base: RopeBase) => RopeScaling
}

const unscaled: RopeScaling = {
  scale: 1,
  magnitude: 1,
  divisors: [],
  metadata: {},
  parameters: { rope_type: 'default' },
}

const standard: NamedRopeVariant = {
  fromTransformers: () => unscaled,
  fromGguf: (read) => ({
    ...unscaled,
    magnitude: read.positive('rope.scaling.attn_factor', 1),
    divisors: read.shapeOf('rope_freqs.weight') ? [{ name: 'rope_freqs.weight', isUsed: true }] : [],
  }),
}

/** Positions divided by a factor (Chen et al. 2023). */
const linear: NamedRopeVariant = {
  fromTransformers: (read, group) => linearBy(read.positive(`${group}.factor`)),
  fromGguf(read, base) {
    const { divisors, magnitude } = standard.fromGguf(read, base)
    const factor = read.positive('rope.scaling.factor', read.positive('rope.scale_linear', 1))
    return { ...linearBy(factor), divisors, magnitude }
  },
}

function linearBy(factor: number): RopeScaling {
  const metadata = { 'rope.scaling.type': text('linear'), 'rope.scaling.factor': float(factor) }
  return { ...unscaled, scale: 1 / factor, metadata, parameters: { rope_type: 'linear', factor } }
}

/**
 * The base grows with the length at hand, but only beyond the tokens that the checkpoint was made for, and no model is built
 * for more: up to there it is no scaling at all.
 */
const dynamic: RopeVariant = {
  fromTransformers(read, group) {
    return { ...unscaled, parameters: { rope_type: 'dynamic', factor: read.positive(`${group}.factor`) } }
  },
}

/** Long waves are divided, short ones kept. GGUF stores the divisors. */
const llama3: RopeVariant = {
  fromTransformers(read, group, { pairs, theta, trained }) {
    const factor = read.positive(`${group}.factor`)
    const low = read.positive(`${group}.low_freq_factor`)
    const high = read.positive(`${group}.high_freq_factor`)
    if (high <= low) read.refuse(`${group}.high_freq_factor`, high, `a number above low_freq_factor, which is ${low}`)
    const original = originalOf(read, group, trained)
    const parameters = {
      rope_type: 'llama3',
      factor,
      low_freq_factor: low,
      high_freq_factor: high,
      original_max_position_embeddings: original,
    }
    return { ...unscaled, divisors: [freqs(llama3Divisors({ factor, low, high, original }, pairs, theta))], parameters }
  },
}

/** As llama3 with a blend over the pairs, and a magnitude that grows with the factor. GGUF has keys for it. */
const yarn: NamedRopeVariant = {
  fromTransformers(read, group, { pairs, theta, trained }) {
    const original = originalOf(read, group, trained)
    const factor = read.positive(`${group}.factor`, trained / original)
    const [fast, slow] = [read.positive(`${group}.beta_fast`, 32), read.positive(`${group}.beta_slow`, 1)]
    const isTruncated = read.flag(`${group}.truncate`, true)
    const magnitude = read.positive(`${group}.attention_factor`, usualMagnitude(read, group, factor))
    const scaling = { factor, fast, slow, original, isTruncated }
    const divisors = yarnDivisors(scaling, pairs, theta)
    const reach = Math.floor(factor * original)
    const parameters = yarnParameters(scaling, magnitude)
    if (!isTruncated) {
      const metadata = { 'rope.scaling.attn_factor': float(magnitude) }
      return { ...unscaled, magnitude, divisors: [freqs(divisors)], reach, metadata, parameters }
    }
    const metadata = {
      'rope.scaling.type': text('yarn'),
      'rope.scaling.factor': float(factor),
      'rope.scaling.original_context_length': { type: 'uint32', value: original },
      'rope.scaling.yarn_beta_fast': float(fast),
      'rope.scaling.yarn_beta_slow': float(slow),
      'rope.scaling.attn_factor': float(magnitude / yarnMagnitude(factor)),
    } as const
    return { ...unscaled, magnitude, divisors: [derived(divisors)], reach, metadata, parameters }
  },
  fromGguf(read, { pairs, theta, trained }) {
    const factor = read.positive('rope.scaling.factor', 1)
    const original = read.count('rope.scaling.original_context_length', trained)
    const fast = read.positive('rope.scaling.yarn_beta_fast', 32)
    const slow = read.positive('rope.scaling.yarn_beta_slow', 1)
    read.only('rope.scaling.yarn_ext_factor', 1)
    const weight = read.number('rope.scaling.yarn_log_multiplier', 0)
    const cancelled = weight === 0 ? 1 : yarnMagnitude(factor, weight)
    const magnitude = (read.positive('rope.scaling.attn_factor', 1) * yarnMagnitude(factor)) / cancelled
    const scaling = { factor, fast, slow, original, isTruncated: true }
    const divisors = [derived(yarnDivisors(scaling, pairs, theta))]
    const reach = Math.floor(factor * original)
    return { ...unscaled, magnitude, divisors, reach, parameters: yarnParameters(scaling, magnitude) }
  },
}

function yarnParameters(scaling: YarnScaling, magnitude: number): RopeScaling['parameters'] {
  return {
    rope_type: 'yarn',
    factor: scaling.factor,
    original_max_position_embeddings: scaling.original,
    beta_fast: scaling.fast,
    beta_slow: scaling.slow,
    attention_factor: magnitude,
    truncate: scaling.isTruncated,
  }
}

function usualMagnitude(read: ConfigReader, group: string, factor: number): number {
  const ours = read.number(`${group}.mscale`, 0)
  const others = read.number(`${group}.mscale_all_dim`, 0)
  return ours && others ? yarnMagnitude(factor, ours) / yarnMagnitude(factor, others) : yarnMagnitude(factor)
}

/**
 * Two lists of divisors: one for contexts up to the original length, one for longer ones. The context that the model is built
 * for decides, so that a sequence is read by one list from its first token to its last; transformers decides anew with every
 * call by the length at hand, which leaves keys of both kinds in the cache of a sequence that outgrows the original length.
 */
const longrope: NamedRopeVariant = {
  fromTransformers(read, group, { pairs, trained }) {
    const original = originalOf(read, group, trained)
    const factor = read.positive(`${group}.factor`, trained / original)
    const magnitude = read.positive(`${group}.attention_factor`, longMagnitude(factor, original))
    const values = (length: 'long' | 'short') => ({ values: read.positives(`${group}.${length}_factor`, pairs) })
    const metadata = {
      'rope.scaling.type': text('longrope'),
      'rope.scaling.original_context_length': { type: 'uint32', value: original },
      'rope.scaling.attn_factor': float(magnitude),
    } as const
    const [long, short] = longAndShort(read, trained, original)
    const divisors = [
      { ...long, ...values('long') },
      { ...short, ...values('short') },
    ]
    return {
      ...unscaled,
      magnitude,
      divisors,
      short: original,
      metadata,
      parameters: longParameters(original, magnitude),
    }
  },
  fromGguf(read, { trained }) {
    const original = read.count('rope.scaling.original_context_length', trained)
    const magnitude = read.positive('rope.scaling.attn_factor', longMagnitude(trained / original, original))
    const divisors = longAndShort(read, trained, original)
    return { ...unscaled, magnitude, divisors, short: original, parameters: longParameters(original, magnitude) }
  },
}

function longParameters(original: number, magnitude: number): RopeScaling['parameters'] {
  return { rope_type: 'longrope', original_max_position_embeddings: original, attention_factor: magnitude }
}

function longAndShort(read: ConfigReader, trained: number, original: number): [DivisorList, DivisorList] {
  const isLong = Math.min(read.context ?? trained, trained) > original
  return [
    { name: 'rope_factors_long.weight', isUsed: isLong },
    { name: 'rope_factors_short.weight', isUsed: !isLong },
  ]
}

/** Every kind, by the name that config.json has for it. */
export const ropeVariants = { default: standard, linear, dynamic, llama3, yarn, longrope }

/** Tokens of context before the scaling; a key outside the group stands above the one in it. */
function originalOf(read: ConfigReader, group: string, trained: number): number {
  const key = 'original_max_position_embeddings'
  return read.has(key) ? read.count(key) : read.count(`${group}.${key}`, trained)
}

const freqs = (values: readonly number[]): DivisorList => ({ name: 'rope_freqs.weight', values, isUsed: true })
const derived = (values: readonly number[]): DivisorList => ({ ...freqs(values), isDerived: true })
const float = (value: number): GgufValue => ({ type: 'float32', value })
const text = (value: string): GgufValue => ({ type: 'string', value })
