import type { WeightDtype } from '../base/dtypes.ts'
import { fail } from '../base/errors.ts'
import type { Checkpoint, TensorRecord } from '../formats/checkpoint.ts'
import type { WeightSpec } from './template.ts'
import { type TransformRule, transforms } from './transforms.ts'

/** Where a weight's values come from: a tensor of the checkpoint, or numbers computed from its config. */
export type WeightSource =
  | { readonly from: 'tensor'; readonly tensor: TensorRecord; readonly transform?: TransformRule }
  | { readonly from: 'config'; readonly shape: readonly number[]; readonly values: readonly number[] }

/** Finds the source of a weight. Refuses `tensor_missing`, and `tensor_shape` where the tensor is not of the spec's shape. */
export function findSource(checkpoint: Checkpoint, spec: WeightSpec): WeightSource {
  if (spec.values) return { from: 'config', shape: spec.shape, values: spec.values }
  const { format } = checkpoint.description
  const name = spec[format]
  const transform: TransformRule | undefined =
    format === 'transformers' && spec.transform ? transforms[spec.transform] : undefined
  const whole = spec.part ? [spec.part.of, ...spec.shape.slice(1)] : spec.shape
  const shape = storedShape(whole, transform)
  const accepted = `[${shape.join(', ')}]`
  const tensor =
    checkpoint.tensors.get(name) ?? fail('tensor_missing', { path: checkpoint.path, tensor: name, shape: accepted })
  if (tensor.shape.join() !== shape.join()) {
    fail('tensor_shape', { path: checkpoint.path, tensor: name, found: `[${tensor.shape.join(', ')}]`, accepted })
  }
  const own = spec.part ? rowsOf(tensor, spec.part.from, spec.shape) : tensor
  return transform ? { from: 'tensor', tensor: own, transform } : { from: 'tensor', tensor: own }
}

/** The rows of a tensor that have this shape, from row `from` on, as a tensor of their own. */
function rowsOf(tensor: TensorRecord, from: number, shape: readonly number[]): TensorRecord {
  const rowBytes = tensor.bytes / tensor.shape[0]!
  return { ...tensor, shape, offset: tensor.offset + from * rowBytes, bytes: shape[0]! * rowBytes }
}

/** The shape that a weight has in a transformers folder. */
export function storedShape(shape: readonly number[], transform: TransformRule | undefined): readonly number[] {
  if (transform?.hasUnitAxis) return [...shape.slice(0, -1), 1, ...shape.slice(-1)]
  return transform?.isTransposed ? shape.toReversed() : shape
}

/** Rows and columns of a weight; a vector is one row. */
export function rowsAndColsOf(source: WeightSource): { rows: number; cols: number } {
  const { shape } = source.from === 'tensor' ? source.tensor : source
  if (shape.length === 1) return { rows: 1, cols: shape[0]! }
  if (source.from === 'tensor' && source.transform?.hasUnitAxis) return { rows: shape[0]!, cols: shape[2]! }
  const isTransposed = source.from === 'tensor' && source.transform?.isTransposed
  return isTransposed ? { rows: shape[1]!, cols: shape[0]! } : { rows: shape[0]!, cols: shape[1]! }
}

/** The dtype that a source has its values in. */
export function sourceDtype(source: WeightSource): WeightDtype {
  return source.from === 'tensor' && !source.transform?.value ? source.tensor.dtype : 'f32'
}
