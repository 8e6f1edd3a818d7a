import type { ConfigReader } from './configReader.ts'

/** Rotary position embedding of a family: see the ops ropeTable and rope. */
export interface RopeConfig {
  readonly style: 'split' | 'pairwise'
  readonly pairs: number
  readonly theta: number
  /** Positions are multiplied by it: 1/f for linear scaling by f. */
  readonly scale: number
  /** `stored`: the checkpoint has them as rope_freqs.weight. A list: computed from the config. */
  readonly factors: 'none' | 'stored' | readonly number[]
}

/** Rope of a GGUF checkpoint. */
export function ropeFromGguf(read: ConfigReader, style: RopeConfig['style'], headDim: number): RopeConfig {
  const dimensions = read.count('rope.dimension_count', headDim)
  if (dimensions % 2 !== 0 || dimensions > headDim) {
    read.refuse('rope.dimension_count', dimensions, `an even number up to ${headDim}, the width of a head`)
  }
  const type = read.choice('rope.scaling.type', ['none', 'linear'], read.has('rope.scale_linear') ? 'linear' : 'none')
  const factor = type === 'linear' ? read.positive('rope.scaling.factor', read.positive('rope.scale_linear', 1)) : 1
  return {
    style,
    pairs: dimensions / 2,
    theta: read.positive('rope.freq_base', 10000),
    scale: 1 / factor,
    factors: read.shapeOf('rope_freqs.weight') ? 'stored' : 'none',
  }
}

/** Rope of config.json: `rope_parameters`, or `rope_theta` and `rope_scaling` of versions before 5. Always split style. */
export function ropeFromTransformers(read: ConfigReader, headDim: number): RopeConfig {
  const group = read.has('rope_parameters') ? 'rope_parameters' : 'rope_scaling'
  read.object(group)
  const typeKey = read.has(`${group}.rope_type`) ? `${group}.rope_type` : `${group}.type`
  const type = read.choice(typeKey, ['default', 'linear', 'llama3'], 'default')
  const theta = read.positive(read.has(`${group}.rope_theta`) ? `${group}.rope_theta` : 'rope_theta', 10000)
  read.only('partial_rotary_factor', 1)
  read.only(`${group}.partial_rotary_factor`, 1)
  const pairs = headDim / 2
  if (!Number.isInteger(pairs)) {
    read.refuse('head_dim', headDim, 'an even number')
  }
  const scale = type === 'linear' ? 1 / read.positive(`${group}.factor`) : 1
  const factors = type === 'llama3' ? llama3Factors(read, group, pairs, theta) : 'none'
  return { style: 'split', pairs, theta, scale, factors }
}

/**
 * Divisors of the angular frequencies as Llama 3.1 scales them: 1 for short waves, `factor` for waves longer than the
 * original context allows, and between the two limits a blend that is linear in the number of turns.
 */
function llama3Factors(read: ConfigReader, group: string, pairs: number, theta: number): readonly number[] {
  const factor = read.positive(`${group}.factor`)
  const low = read.positive(`${group}.low_freq_factor`)
  const high = read.positive(`${group}.high_freq_factor`)
  if (high <= low) read.refuse(`${group}.high_freq_factor`, high, `a number above low_freq_factor, which is ${low}`)
  const original = read.positive(`${group}.original_max_position_embeddings`)
  return Array.from({ length: pairs }, (_, i) => {
    const turns = original / (2 * Math.PI * theta ** (i / pairs))
    if (turns < low) return factor
    if (turns > high) return 1
    const blend = (turns - low) / (high - low)
    return 1 / ((1 - blend) / factor + blend)
  })
}
