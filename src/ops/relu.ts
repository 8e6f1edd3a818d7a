import type { NoAttributes } from '../ir/graph.ts'
import { defineActivation } from './activations.ts'

/** y = max(x, 0) */
export const relu = defineActivation<NoAttributes>('relu', { activation: () => 'relu', kinds: [{}] })
