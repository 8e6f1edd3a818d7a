import { muonUpdateForward } from '../kernels/update/update.kernel.ts'
import { defineWeightUpdate, type UpdateAttributes } from './weightUpdate.ts'

/** What the last op of Muon takes from the settings and the parameter group. */
export interface MuonUpdateAttributes extends UpdateAttributes {
  /** Times the learning rate of the step, but not in the decay. */
  readonly scale: number
}

/** A step against a direction that was made of gradients (`gradient`); decay apart. */
export const muonUpdate = defineWeightUpdate<never, MuonUpdateAttributes>('muonUpdate', {
  memory: [],
  kernel: muonUpdateForward,
  check({ scale }, refuse) {
    if (!Number.isFinite(scale)) refuse(`scale is ${scale}; accepted: a finite number`)
  },
  element({ weight, gradient }, { rate }, of) {
    const step = of.rate * rate
    return [weight * (1 - step * of.decay) - step * of.scale * gradient]
  },
  kinds: [
    { scale: 1, decay: 0, rate: 1 },
    { scale: 1.5, decay: 0.1, rate: 0.5 },
  ],
  relative: 2,
  isDirection: true,
})
