/** Float64 arithmetic on rows of logits, and what many scores come to. */

/** ln Σ exp(logit) of one row; not finite where a logit is NaN or infinite. */
export function logSumExp(logits: Float32Array): number {
  let largest = Number.NEGATIVE_INFINITY
  for (let i = 0; i < logits.length; i++) if (logits[i]! > largest) largest = logits[i]!
  let sum = 0
  for (let i = 0; i < logits.length; i++) sum += Math.exp(logits[i]! - largest)
  return largest + Math.log(sum)
}

/** Index of the largest logit, the first of equal ones. */
export function topToken(logits: Float32Array): number {
  let top = 0
  for (let i = 1; i < logits.length; i++) if (logits[i]! > logits[top]!) top = i
  return top
}

/**
 * Σ p ln(p/q) in nats, with p the softmax of `base` and q that of `model`; the log sums are those of `logSumExp`. Never
 * below 0, which rounding alone could give.
 */
export function klDivergence(base: Float32Array, baseLogSum: number, model: Float32Array, modelLogSum: number): number {
  let sum = 0
  for (let i = 0; i < base.length; i++) {
    const logP = base[i]! - baseLogSum
    const p = Math.exp(logP)
    // 0 ln 0 is 0.
    if (p !== 0) sum += p * (logP - (model[i]! - modelLogSum))
  }
  return Math.max(0, sum)
}

/** A mean with its standard error. */
export interface Estimate {
  readonly mean: number
  readonly standardError: number
}

/** Mean of at least two values, and sample deviation / √n: the standard error of independent values. */
export function estimate(values: Float64Array): Estimate {
  const count = values.length
  let sum = 0
  for (const value of values) sum += value
  const mean = sum / count
  let squares = 0
  for (const value of values) squares += (value - mean) ** 2
  return { mean, standardError: Math.sqrt(squares / (count - 1) / count) }
}

/** The smallest value that at least `share` (0 to 1) of the values do not exceed. */
export function quantile(values: Float64Array, share: number): number {
  return values.toSorted()[Math.max(0, Math.ceil(share * values.length) - 1)] ?? Number.NaN
}
