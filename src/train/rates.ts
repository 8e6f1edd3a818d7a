import type { Optimizer } from '../base/optimizers.ts'

/**
 * What the update ops read of a step, in float64; a program takes it as f32 [1, 3], its input `rates`: the learning rate, and
 * what AdamW divides its averages by, 1 - beta1^step and sqrt(1 - beta2^step). Steps count from 1. Optimizers that keep no
 * such averages ignore the last two, which are 1.
 */
export function stepRates(optimizer: Optimizer, step: number, rate: number): readonly [number, number, number] {
  const shares = adamWShares(optimizer)
  if (!shares) return [rate, 1, 1]
  return [rate, 1 - shares.beta1 ** step, Math.sqrt(1 - shares.beta2 ** step)]
}

/** The shares of AdamW's averages, where the optimizer is it or has it for some weights. */
function adamWShares(optimizer: Optimizer): { readonly beta1: number; readonly beta2: number } | undefined {
  switch (optimizer.kind) {
    case 'adamW':
      return optimizer
    case 'muon':
      return optimizer.others
    case 'sgd':
    case 'lion':
      return undefined
    default:
      return optimizer satisfies never
  }
}
