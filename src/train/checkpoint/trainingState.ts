import type { JsonObject } from '../../formats/parseJson.ts'
import type { DataState } from '../data/dataSet.ts'

/** What the tensors of a checkpoint are: masters of weights, what the optimizer keeps of them, their running averages. */
export const tensorKinds = ['weight', 'optimizer', 'average'] as const
export type TensorKind = (typeof tensorKinds)[number]

/** Values of a training that outlive a step. `data` is the memory itself: it is read when saving and filled when restoring. */
export interface TrainingTensor {
  readonly kind: TensorKind
  /** That of a weight and of its average is our name of the weight; another's is that in the training program. */
  readonly name: string
  readonly shape: readonly number[]
  /** Row-major; words are bf16. */
  readonly data: Float32Array | Uint16Array
}

/** All that a training needs to go on besides its tensors. */
export interface TrainingFacts {
  /** Updates that were done. */
  readonly step: number
  readonly data: DataState
  /** Generators of random numbers by their use, in digits. */
  readonly seeds: Readonly<Record<string, string>>
  /** Tokens that were learnt from. */
  readonly tokens: number
  /** SHA-256 of the config that the training follows, hex. */
  readonly config: string
  readonly template: string
  /** Of the model: layers, widths, vocabulary. */
  readonly sizes: Readonly<Record<string, number>>
  /** What the loop keeps besides: running means, the best validation so far. Numbers are finite. */
  readonly loop: JsonObject
}

/** The name of a tensor in the file. */
export const storedName = ({ kind, name }: Pick<TrainingTensor, 'kind' | 'name'>) => `${kind}.${name}`

/** The dtype of a tensor in the file. */
export const storedDtype = ({ data }: Pick<TrainingTensor, 'data'>) =>
  data instanceof Float32Array ? ('f32' as const) : ('bf16' as const)

/** The memory of a tensor as bytes; a view, no copy. */
export function bytesOfTensor({ data }: Pick<TrainingTensor, 'data'>): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
}
