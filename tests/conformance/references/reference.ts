import type { Family, families } from '../../../src/kernels/registry.ts'
import type { Dims } from '../placement.ts'
import type { Random } from '../random.ts'

/** Values of each buffer, dense, in double. */
export type Values = { readonly [buffer: string]: Float64Array }

/** What a case gives for a buffer: its values before rounding to the dtype, or its bytes; null: NULL. */
export type Fill = (dims: Dims, random: Random) => ArrayLike<number> | null

export interface Reference {
  /** Sizes of the cases, for a target with this many lanes. */
  readonly sizes: (lanes: number) => readonly Dims[]
  readonly attributes?: Dims | ((dims: Dims) => Dims)
  /** Buffers that are not just random values. */
  readonly fill?: { readonly [buffer: string]: Fill }
  /** The outputs in double; bytes where every byte counts. Absent inputs are missing from `values`. */
  readonly compute: (
    values: Values,
    dims: Dims,
    attributes: { readonly [name: string]: number },
  ) => { readonly [buffer: string]: Float64Array | Uint8Array }
  /** Its values say which rows of an output it writes to, so that no row can be computed alone. */
  readonly isScattered?: true
  /** Largest error, in epsilons of f32 of the largest magnitude; 0: exact. */
  readonly epsilons: number
}

/** A reference for every kernel of a family: a forgotten one does not compile. */
export type References<F extends Family> = {
  readonly [N in (typeof families)[F][number]['name']]: Reference
}
