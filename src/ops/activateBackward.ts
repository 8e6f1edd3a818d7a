import { type Activation, activationCodes } from '../kernels/activations.ts'
import { activateGradient } from '../kernels/slopes/slopes.kernel.ts'
import { erfc } from './erfc.ts'
import { definePointwiseBackward, eachElement, elementRows } from './pointwiseBackward.ts'

const root = Math.sqrt(2 / Math.PI)

/** Slopes of the activations in float64; that of relu at 0 is 0. */
export const slopeOf: { readonly [A in Activation]: (x: number) => number } = {
  silu: (x) => {
    const open = 1 / (1 + Math.exp(-x))
    return open * (1 + x * (1 - open))
  },
  gelu_tanh: (x) => {
    const tanh = Math.tanh(root * (x + 0.044715 * x ** 3))
    return (1 + tanh) / 2 + (x / 2) * (1 - tanh * tanh) * root * (1 + 3 * 0.044715 * x * x)
  },
  gelu_erf: (x) => erfc(-x / Math.SQRT2) / 2 + (x * Math.exp((-x * x) / 2)) / Math.sqrt(2 * Math.PI),
  relu: (x) => (x > 0 ? 1 : 0),
}

/** dx = dy · f'(x) of the activation f. */
export const activateBackward = definePointwiseBackward<'x', { activation: Activation }>('activateBackward', 'x', {
  gradient: eachElement((x, { activation }) => slopeOf[activation](x)),
  lower: (operands, { activation }, to) =>
    to.call(activateGradient, { ...elementRows(operands, to), activation: activationCodes[activation] }),
  kinds: (Object.keys(activationCodes) as Activation[]).map((activation) => ({ activation })),
})
