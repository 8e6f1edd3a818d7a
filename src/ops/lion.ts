import { lionForward } from '../kernels/update/update.kernel.ts'
import { checkShare, defineWeightUpdate, type UpdateAttributes } from './weightUpdate.ts'

/** What Lion takes from the settings and the parameter group. */
export interface LionAttributes extends UpdateAttributes {
  readonly beta1: number
  readonly beta2: number
}

/** Lion (Chen et al. 2023, arXiv 2302.06675): a step of one size along the sign of an average of gradients; decay apart. */
export const lion = defineWeightUpdate<'mean', LionAttributes>('lion', {
  memory: ['mean'],
  kernel: lionForward,
  check({ beta1, beta2 }, refuse) {
    checkShare('beta1', beta1, refuse)
    checkShare('beta2', beta2, refuse)
  },
  element({ weight, gradient, ...last }, { rate }, of) {
    const step = of.rate * rate
    const sign = Math.sign(of.beta1 * last.mean + (1 - of.beta1) * gradient)
    return [weight * (1 - step * of.decay) - step * sign, of.beta2 * last.mean + (1 - of.beta2) * gradient]
  },
  kinds: [
    { beta1: 0.9, beta2: 0.99, decay: 0, rate: 1 },
    { beta1: 0.8, beta2: 0.95, decay: 0.1, rate: 0.5 },
  ],
  relative: 2,
})
