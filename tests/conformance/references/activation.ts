import { activationOf } from '../../../src/ops/activations.ts'
import type { Dims } from '../placement.ts'

/** The activation of a call, by its number. */
export const activate = (code: number) => Object.values(activationOf)[code]!

/** Attributes in which every activation occurs. */
export const eachActivation = ({ rows, cols }: Dims) => ({ activation: (rows! + cols!) % 4 })
