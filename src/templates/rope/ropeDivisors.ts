/** `rope_scaling` of Llama 3.1 and later; `low` is below `high`. */
export interface Llama3Scaling {
  readonly factor: number
  readonly low: number
  readonly high: number
  /** Tokens of context before the scaling. */
  readonly original: number
}

/**
 * Divisors of the angular frequencies as Llama 3.1 scales them: 1 for short waves, `factor` for waves longer than the
 * original context allows, and between the two limits a blend that is linear in the number of turns.
 */
export function llama3Divisors(
  { factor, low, high, original }: Llama3Scaling,
  pairs: number,
  theta: number,
): readonly number[] {
  return Array.from({ length: pairs }, (_, i) => {
    const turns = original / (2 * Math.PI * theta ** (i / pairs))
    if (turns < low) return factor
    if (turns > high) return 1
    return blend((turns - low) / (high - low), factor)
  })
}

/** Frequency scaling of YaRN (Peng et al. 2023). */
export interface YarnScaling {
  readonly factor: number
  /** Turns in the original context from which on a frequency is kept, and up to which it is divided by `factor`. */
  readonly fast: number
  readonly slow: number
  readonly original: number
  /** The blend begins and ends at whole pairs. */
  readonly isTruncated: boolean
}

/** Divisors of the angular frequencies as YaRN scales them: between the two limits a blend that is linear in the pair. */
export function yarnDivisors(scaling: YarnScaling, pairs: number, theta: number): readonly number[] {
  const { factor, fast, slow, original, isTruncated } = scaling
  const pairOf = (turns: number) => (pairs * Math.log(original / (turns * 2 * Math.PI))) / Math.log(theta)
  const [first, last] = [pairOf(fast), pairOf(slow)]
  const low = Math.max(isTruncated ? Math.floor(first) : first, 0)
  const end = Math.min(isTruncated ? Math.ceil(last) : last, 2 * pairs - 1)
  const high = end === low ? low + 0.001 : end
  return Array.from({ length: pairs }, (_, i) => {
    return blend(1 - Math.min(Math.max((i - low) / (high - low), 0), 1), factor)
  })
}

/** What a frequency of which the share `kept` stays and the rest is divided by `factor` is divided by altogether. */
function blend(kept: number, factor: number): number {
  return 1 / ((1 - kept) / factor + kept)
}

/** By what YaRN multiplies queries and keys for contexts `factor` times as long. */
export function yarnMagnitude(factor: number, weight = 1): number {
  return factor <= 1 ? 1 : 0.1 * weight * Math.log(factor) + 1
}

/** The same of LongRoPE (Ding et al. 2024). */
export function longMagnitude(factor: number, original: number): number {
  return factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(original))
}
