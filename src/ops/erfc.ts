/** 1 - erf(x) in float64: Taylor's series of erf about 0, the continued fraction of erfc beyond (DLMF 7.6.2, 7.9.4). */
export function erfc(x: number): number {
  if (x < 0) return 2 - erfc(-x)
  const density = Math.exp(-x * x) / Math.sqrt(Math.PI)
  if (x > 2.5) {
    let fraction = x
    for (let n = 100; n > 0; n--) fraction = x + n / 2 / fraction
    return density / fraction
  }
  let term = 2 * x
  let sum = 0
  for (let n = 1; sum + term !== sum; n++) {
    sum += term
    term *= (2 * x * x) / (2 * n + 1)
  }
  return 1 - density * sum
}
