import type { Attributes } from '../ir/graph.ts'
import { defineOp, type Refusal } from '../ir/op.ts'
import { mapTensor } from '../ir/tensor.ts'
import { type Activation, activationCodes } from '../kernels/activations.ts'
import { activateForward } from '../kernels/pointwise/pointwise.kernel.ts'
import { denseRow, widthFrom } from './shapes.ts'

export type { Activation } from '../kernels/activations.ts'

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

/** An op of one f32 operand that applies the activation that its attributes name, element by element. */
export function defineActivation<A extends Attributes>(
  name: string,
  {
    check = () => {},
    activation,
    kinds,
    refusals = [],
  }: {
    readonly check?: (attributes: A, refuse: (what: string) => never) => void
    readonly activation: (attributes: A) => Activation
    /** All attributes that there are. */
    readonly kinds: readonly A[]
    readonly refusals?: readonly Refusal<'x', A>[]
  },
) {
  return defineOp({
    name,
    inputs: { x: ['f32'] },
    outputs: ['y'],
    infer({ x }, attributes: A, refuse) {
      if (x.shape.length < 2) refuse('x needs two axes or more')
      check(attributes, refuse)
      return { y: x }
    },
    reference({ x }, attributes) {
      return { y: mapTensor(x, activationOf[activation(attributes)]) }
    },
    lower({ x }, { y }, attributes, to) {
      const dims = { rows: y.type.shape[0]!, cols: widthFrom(y.type, 1), xRow: to.stride(x), yRow: to.stride(y) }
      to.call(activateForward, { ...dims, activation: activationCodes[activation(attributes)], x, y })
    },
    tolerance: { relative: 4 },
    samples: (lanes) =>
      kinds.flatMap((attributes) =>
        [1, lanes - 1, 2 * lanes + 1].map((cols) => ({
          inputs: { x: { dtype: 'f32', shape: [3, cols] } } as const,
          attributes,
        })),
      ),
    refusals: [{ inputs: { x: denseRow([3]) }, attributes: kinds[0]!, says: 'two axes' }, ...refusals],
  })
}
