import type { NoAttributes } from '../ir/graph.ts'
import { defineActivation } from './activations.ts'

/** y = x · sigmoid(x) (Elfwing et al. 2017) */
export const silu = defineActivation<NoAttributes>('silu', { activation: () => 'silu', kinds: [{}] })
