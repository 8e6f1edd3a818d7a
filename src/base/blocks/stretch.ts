/** Blocks of noise are not stretched beyond this share of error. */
const mostShare = 0.3

/**
 * By how much decoded values of least squared error are to be stretched, about 1. Least squares makes them too small: what it
 * leaves of Σ w x² as error, the products with the values lack on average. Errors of random sign cancel over the layers of a
 * model, lost size does not. Stretched by Σ w x² / (Σ w x² − error) nothing is lost; the error grows by that same factor.
 */
export function stretchOf(x: Float64Array, w: Float64Array, error: number): number {
  let energy = 0
  for (let i = 0; i < x.length; i++) energy += w[i]! * x[i]! * x[i]!
  return energy > 0 ? 1 / (1 - Math.min(mostShare, error / energy)) : 1
}
