import { momentumForward } from '../kernels/update/update.kernel.ts'
import { checkShare, defineWeightUpdate, type UpdateAttributes } from './weightUpdate.ts'

/** What gradient descent with momentum takes from the settings and the parameter group. */
export interface MomentumAttributes extends UpdateAttributes {
  readonly momentum: number
  /** Whether a step looks ahead along the velocity (Sutskever et al. 2013, in the form of torch.optim.SGD). */
  readonly nesterov: boolean
}

/**
 * Gradient descent with momentum as torch.optim.SGD with dampening 0: the decay joins the gradient, and the velocity, which
 * begins as 0, is a sum and no average.
 */
export const momentum = defineWeightUpdate<'velocity', MomentumAttributes>('momentum', {
  memory: ['velocity'],
  kernel: momentumForward,
  check: (of, refuse) => checkShare('momentum', of.momentum, refuse),
  element({ weight, gradient, ...last }, { rate }, of) {
    const slope = gradient + of.decay * weight
    const velocity = of.momentum * last.velocity + slope
    return [weight - of.rate * rate * (of.nesterov ? slope + of.momentum * velocity : velocity), velocity]
  },
  kinds: [
    { momentum: 0.9, nesterov: false, decay: 0, rate: 1 },
    { momentum: 0.8, nesterov: true, decay: 0.1, rate: 0.5 },
  ],
  relative: 2,
})
