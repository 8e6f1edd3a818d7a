import { sgdForward } from '../kernels/update/update.kernel.ts'
import { defineWeightUpdate, type UpdateAttributes } from './weightUpdate.ts'

/** Gradient descent as torch.optim.SGD without momentum: the decay joins the gradient. */
export const sgd = defineWeightUpdate<never, UpdateAttributes>('sgd', {
  memory: [],
  kernel: sgdForward,
  check: () => {},
  element: ({ weight, gradient }, { rate }, of) => [weight - of.rate * rate * (gradient + of.decay * weight)],
  kinds: [
    { decay: 0, rate: 1 },
    { decay: 0.1, rate: 0.5 },
  ],
  relative: 2,
})
