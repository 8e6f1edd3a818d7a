import type { Attributes } from '../ir/graph.ts'
import type { Activation } from '../kernels/activations.ts'

/** The activations in float64. */
export const activationOf: { readonly [A in Activation]: (value: number) => number } = {
  silu: (value) => value / (1 + Math.exp(-value)),
  gelu_tanh: (value) => value / (1 + Math.exp(-2 * Math.sqrt(2 / Math.PI) * (value + 0.044715 * value ** 3))),
  gelu_erf: (value) => (value * erfc(-value / Math.SQRT2)) / 2,
  relu: (value) => Math.max(value, 0),
}

/** The activation that a node of these attributes computes; undefined for other ops. */
export function activationOfNode(node: {
  readonly op: string
  readonly attributes: Attributes
}): Activation | undefined {
  switch (node.op) {
    case 'silu':
    case 'relu':
      return node.op
    case 'gelu':
      return node.attributes.kind === 'tanh' ? 'gelu_tanh' : 'gelu_erf'
    default:
      return undefined
  }
}

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
