import { defineActivation } from './activations.ts'
import { denseRow } from './shapes.ts'

/** `erf`: exact. `tanh`: the approximation x/2 · (1 + tanh(√(2/π) · (x + 0.044715 x³))). */
export type GeluKind = 'erf' | 'tanh'

/** y = x · Φ(x), Φ the normal distribution (Hendrycks & Gimpel 2016) */
export const gelu = defineActivation<{ readonly kind: GeluKind }>('gelu', {
  check({ kind }, refuse) {
    if (kind !== 'erf' && kind !== 'tanh') refuse(`kind is '${kind}'; accepted: erf, tanh`)
  },
  activation: ({ kind }) => `gelu_${kind}`,
  kinds: [{ kind: 'erf' }, { kind: 'tanh' }],
  refusals: [
    { inputs: { x: denseRow(['tokens', 8]) }, attributes: { kind: 'sine' as 'tanh' }, says: "kind is 'sine'" },
  ],
})
