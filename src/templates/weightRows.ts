import { bytesOf, decodeTensor, rowOfBadScale, type WeightDtype } from '../base/dtypes.ts'
import { fail } from '../base/errors.ts'
import type { Checkpoint, TensorRecord } from '../formats/checkpoint.ts'
import type { Tensor } from '../ir/tensor.ts'
import type { Model } from './readModel.ts'
import { rowsAndColsOf, type WeightSource } from './weightSource.ts'

/**
 * `count` rows of a weight from row `from` on, in the form and dtype that `sourceDtype` says or, where `dtype` differs,
 * converted to f32.
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
  if (source.from === 'config') {
    return f32Bytes(source.values.slice(from * cols, (from + count) * cols))
  }
  const { tensor, transform } = source
  const stored = tensor.dtype
  const rowBytes = bytesOf(stored, cols)!
  const bytes = transform?.isTransposed
    ? readColumns(checkpoint, tensor, from, count)
    : checkpoint.read(tensor, from * rowBytes, count * rowBytes)
  const bad = rowOfBadScale(stored, bytes, count, cols)
  if (bad !== undefined) {
    fail('tensor_values', {
      path: checkpoint.path,
      tensor: tensor.name,
      row: from + bad,
      found: 'a block with a scale that is infinite or not a number',
      accepted: 'finite scales',
    })
  }
  const value = transform?.value
  if (stored === dtype && !value) return bytes
  if (dtype !== 'f32')
    fail('program_invalid', { where: name, what: `${stored} is not converted to ${dtype}; accepted: f32` })
  const values = decodeTensor(stored, bytes, count * cols)
  return f32Bytes(value ? values.map(value) : values)
}

/** `count` columns of a float matrix from column `from` on as rows; no more than these are held. */
function readColumns(checkpoint: Checkpoint, tensor: TensorRecord, from: number, count: number): Uint8Array {
  const [height = 0, width = 0] = tensor.shape
  const Words = tensor.dtype === 'f32' ? Uint32Array : Uint16Array
  const bytes = Words.BYTES_PER_ELEMENT
  const out = new Words(count * height)
  const piece = new Words(count)
  const into = new Uint8Array(piece.buffer)
  for (let row = 0; row < height; row++) {
    checkpoint.read(tensor, (row * width + from) * bytes, count * bytes, into)
    for (let i = 0; i < count; i++) out[i * height + row] = piece[i]!
  }
  return new Uint8Array(out.buffer)
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
    const { tensor, transform } = source
    const bytes = transform?.isTransposed ? readColumns(checkpoint, tensor, 0, rows) : checkpoint.read(tensor)
    const values = decodeTensor(tensor.dtype, bytes, rows * cols)
    return transform?.value ? values.map(transform.value) : values
  })
  const data = new Float64Array(pieces.reduce((sum, piece) => sum + piece.length, 0))
  let at = 0
  for (const piece of pieces) {
    data.set(piece, at)
    at += piece.length
  }
  return { shape, data }
}
