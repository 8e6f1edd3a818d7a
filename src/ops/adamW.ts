import { adamWForward } from '../kernels/update/update.kernel.ts'
import { checkShare, defineWeightUpdate, type UpdateAttributes } from './weightUpdate.ts'

/** What AdamW takes from the settings and the parameter group. */
export interface AdamWAttributes extends UpdateAttributes {
  readonly beta1: number
  readonly beta2: number
  readonly eps: number
}

/**
 * AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101) as torch.optim.AdamW computes it: decay apart from the gradient, both
 * averages corrected for their bias, eps beside the corrected root.
 */
export const adamW = defineWeightUpdate<'mean' | 'square', AdamWAttributes>('adamW', {
  memory: ['mean', 'square'],
  kernel: adamWForward,
  check({ beta1, beta2, eps }, refuse) {
    checkShare('beta1', beta1, refuse)
    checkShare('beta2', beta2, refuse)
    if (!(eps >= 0)) refuse(`eps is ${eps}; accepted: 0 or more`)
  },
  element({ weight, gradient, ...last }, { rate, meanCorrection, squareCorrection }, of) {
    const mean = of.beta1 * last.mean + (1 - of.beta1) * gradient
    const square = of.beta2 * last.square + (1 - of.beta2) * gradient ** 2
    const root = Math.sqrt(square) / squareCorrection + of.eps
    const step = of.rate * rate
    return [weight * (1 - step * of.decay) - (step * mean) / meanCorrection / root, mean, square]
  },
  kinds: [
    { beta1: 0.9, beta2: 0.999, eps: 1e-8, decay: 0, rate: 1 },
    { beta1: 0.8, beta2: 0.95, eps: 1e-3, decay: 0.1, rate: 0.5 },
  ],
  relative: 4,
})
