import type { Tensor } from '../ir/tensor.ts'
import { compareTensors, type Difference } from './difference.ts'
import type { Gradients } from './interpretGradients.ts'

/** Mean squared error over mean square that a gradient in f32 may have. */
export const gradientBound = 1e-8

/** A gradient of this share of the largest is rounding: a bias of keys without turns moves all scores of a row alike. */
export const roundingShare = 1e-6

/** A gradient beside its reference. */
export interface GradientParity {
  /** The tensor's name in the checkpoint. */
  readonly tensor: string
  readonly difference: Difference
  /** Norm of the reference over that of the largest gradient. */
  readonly share: number
  readonly isWithin: boolean
}

/** All gradients beside their references. */
export interface GradientsParity {
  readonly loss: { readonly expected: number; readonly found: number }
  /** The worst first. */
  readonly gradients: readonly GradientParity[]
  /** Tensors that only one side has a gradient of. */
  readonly missing: readonly string[]
  readonly isWithin: boolean
}

/**
 * Compares gradients tensor by tensor: NMSE at most `gradientBound`, and where the reference is nothing but rounding beside the
 * largest gradient, what was found must be so too. The loss must be within 1e-6 of its reference.
 */
export function compareGradients(expected: Gradients, found: Gradients): GradientsParity {
  const largest = Math.max(Number.MIN_VALUE, ...[...expected.tensors.values()].map(sizeOf))
  const gradients = [...expected.tensors].flatMap(([tensor, reference]): GradientParity[] => {
    const other = found.tensors.get(tensor)
    if (!other) return []
    const difference = compareTensors(reference, other)
    const share = sizeOf(reference) / largest
    const isRounding = share < roundingShare && sizeOf(other) < roundingShare * largest
    return [{ tensor, difference, share, isWithin: isRounding || difference.nmse <= gradientBound }]
  })
  const missing = [
    ...[...expected.tensors.keys()].filter((tensor) => !found.tensors.has(tensor)),
    ...[...found.tensors.keys()].filter((tensor) => !expected.tensors.has(tensor)),
  ]
  const isLossWithin = Math.abs(found.loss / expected.loss - 1) <= 1e-6
  return {
    loss: { expected: expected.loss, found: found.loss },
    gradients: gradients.toSorted(
      (a, b) => Number(a.isWithin) - Number(b.isWithin) || b.difference.nmse - a.difference.nmse,
    ),
    missing,
    isWithin: isLossWithin && missing.length === 0 && gradients.every(({ isWithin }) => isWithin),
  }
}

function sizeOf({ data }: Tensor): number {
  return Math.sqrt(data.reduce((sum, value) => sum + value * value, 0))
}
