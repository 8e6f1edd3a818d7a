import { bytesOf, decodeTensor, rowOfBadScale, type WeightDtype } from '../base/dtypes.ts'
import { fail } from '../base/errors.ts'
import type { Checkpoint } from '../formats/checkpoint.ts'
import type { Tensor } from '../ir/tensor.ts'
import type { Model, WeightSource } from './readModel.ts'

/** Rows and columns of a weight; a vector is one row. */
export function rowsAndColsOf(source: WeightSource): { rows: number; cols: number } {
  const { shape } = source.from === 'tensor' ? source.tensor : source
  return shape.length === 1 ? { rows: 1, cols: shape[0]! } : { rows: shape[0]!, cols: shape[1]! }
}

/**
 * `count` rows of a weight from row `from` on, as its checkpoint has them or, where `dtype` differs, converted to f32.
 * Refuses `tensor_values` where a block has a scale that is no finite number.
 */
export function readRows(
  checkpoint: Checkpoint,
  name: string,
  source: WeightSource,
  dtype: WeightDtype,
  from: number,
  count: number,
): Uint8Array {
  const { cols } = rowsAndColsOf(source)
  const stored = source.from === 'tensor' ? source.tensor.dtype : 'f32'
  if (source.from === 'config') {
    return f32Bytes(source.values.slice(from * cols, (from + count) * cols))
  }
  const rowBytes = bytesOf(stored, cols)!
  const bytes = checkpoint.read(source.tensor, from * rowBytes, count * rowBytes)
  const bad = rowOfBadScale(stored, bytes, count, cols)
  if (bad !== undefined) {
    fail('tensor_values', {
      path: checkpoint.path,
      tensor: source.tensor.name,
      row: from + bad,
      found: 'a block with a scale that is infinite or not a number',
      accepted: 'finite scales',
    })
  }
  if (stored === dtype) return bytes
  if (dtype !== 'f32')
    fail('program_invalid', { where: name, what: `${stored} is not converted to ${dtype}; accepted: f32` })
  return f32Bytes(decodeTensor(stored, bytes, count * cols))
}

function f32Bytes(values: Float64Array | readonly number[]): Uint8Array {
  return new Uint8Array(Float32Array.from(values).buffer)
}

/** A whole weight in float64, for the interpreter. `names` are stacked by rows. */
export function weightTensor(
  checkpoint: Checkpoint,
  model: Model,
  names: readonly string[],
  shape: readonly number[],
): Tensor {
  const pieces = names.map((name) => {
    const source = model.sources.get(name) ?? fail('graph_invalid', { where: name, what: 'is no weight of this model' })
    if (source.from === 'config') return Float64Array.from(source.values)
    const { rows, cols } = rowsAndColsOf(source)
    return decodeTensor(source.tensor.dtype, checkpoint.read(source.tensor), rows * cols)
  })
  const data = new Float64Array(pieces.reduce((sum, piece) => sum + piece.length, 0))
  let at = 0
  for (const piece of pieces) {
    data.set(piece, at)
    at += piece.length
  }
  return { shape, data }
}
