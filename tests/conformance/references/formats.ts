import { dtypes, type WeightDtype, weightDtypes } from '../../../src/base/dtypes.ts'
import type { Reference } from './reference.ts'

/** A reference for the kernels of one family in every weight format. */
export function perFormat<F extends string>(family: F, reference: (dtype: WeightDtype) => Reference) {
  return Object.fromEntries(weightDtypes.map((dtype) => [`${family}_${dtype}`, reference(dtype)])) as {
    [D in WeightDtype as `${F}_${D}`]: Reference
  }
}

/** Widths: whole blocks of a format, or any where values stand alone. */
export function widths(dtype: WeightDtype, blocks: readonly number[], others: readonly number[]): readonly number[] {
  const { blockElements } = dtypes[dtype]
  return blockElements === 1 ? others : blocks.map((count) => count * blockElements)
}
