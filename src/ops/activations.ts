import type { Attributes } from '../ir/graph.ts'
import { defineOp, type Refusal } from '../ir/op.ts'
import { mapTensor } from '../ir/tensor.ts'
import { type Activation, activationCodes } from '../kernels/activations.ts'
import { activateForward } from '../kernels/pointwise/pointwise.kernel.ts'
import { activateBackward } from './activateBackward.ts'
import { erfc } from './erfc.ts'
import { denseRow, widthFrom } from './shapes.ts'

export type { Activation } from '../kernels/activations.ts'

/** The activations in float64. */
export const activationOf: { readonly [A in Activation]: (value: number) => number } = {
  silu: (value) => value / (1 + Math.exp(-value)),
  gelu_tanh: (value) => value / (1 + Math.exp(-2 * Math.sqrt(2 / Math.PI) * (value + 0.044715 * value ** 3))),
  gelu_erf: (value) => (value * erfc(-value / Math.SQRT2)) / 2,
  relu: (value) => Math.max(value, 0),
}

/** Which function a gated op applies to its gate: silu makes it SwiGLU, gelu GeGLU (Shazeer 2020). */
export type GluAttributes = { readonly activation: Activation }

/** Refuses an activation that there is not. */
export function checkActivation({ activation }: GluAttributes, refuse: (what: string) => never): void {
  if (!Object.hasOwn(activationCodes, activation))
    refuse(`activation is '${activation}'; accepted: ${Object.keys(activationCodes).join(', ')}`)
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
    vjp({ x }, _outputs, { y: dy }, attributes, g) {
      return { x: g.apply(activateBackward, 'x', { x, dy }, { activation: activation(attributes) }) }
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
