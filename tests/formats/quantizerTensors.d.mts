/** A matrix to quantise, and what its columns count. */
export interface QuantizerTensor {
  readonly name: string
  readonly rows: number
  readonly cols: number
  readonly values: Float32Array
  readonly importance: Float32Array
}

/** Seeded matrices of several distributions, and slices of the demo model: the same numbers on every machine. */
export function quantizerTensors(demo: ReadonlyMap<string, Float32Array>): readonly QuantizerTensor[]

/** The tensors of the demo model of which slices are taken, with their columns. */
export const demoTensors: Readonly<Record<string, number>>

/** Σ weight · (found − wanted)² over Σ weight · wanted²; without `importance` all columns weigh 1. */
export function relativeError(
  tensor: QuantizerTensor,
  found: ArrayLike<number>,
  importance: Float32Array | undefined,
): number
