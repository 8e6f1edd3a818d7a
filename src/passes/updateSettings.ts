import type { Optimizer } from '../base/optimizers.ts'
import type { TrainedWeight, WeightRole } from './trainedWeights.ts'

/** What an optimizer does otherwise for some weights: weight decay, and a factor of the learning rate. */
export interface ParameterGroup {
  readonly decay: number
  readonly rate: number
}

/** How weights are updated. */
export interface UpdateSettings {
  readonly optimizer: Optimizer
  readonly group: (weight: TrainedWeight) => ParameterGroup
  /** The largest norm of all gradients together. */
  readonly clip?: number
  /** Whether the norm is wanted where nothing is clipped. */
  readonly norm?: boolean
  /** The share of the last average in an exponential moving average of the weights; absent: none is kept. */
  readonly average?: number
}

/** The groups that are usual: weights of these roles do not decay, all others by `decay`. */
export function decayExcept(decay: number, exempt: readonly WeightRole[]): UpdateSettings['group'] {
  return ({ role }) => ({ decay: exempt.includes(role) ? 0 : decay, rate: 1 })
}
