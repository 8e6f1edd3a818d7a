import type { WeightDtype } from '../base/dtypes.ts'
import { fail } from '../base/errors.ts'
import type { EncodePool } from './encodePool.ts'
import type { EncodeTask, RowSource } from './encodeRows.ts'
import type { NamedShape } from './planTensors.ts'

/** A tensor to encode. */
export interface TensorJob extends NamedShape {
  /** Of the checkpoint, for refusals. */
  readonly path: string
  readonly dtype: WeightDtype
  /** The source of `count` rows from row `from` on; rows are those of all axes but the last. */
  rowsOf(from: number, count: number): RowSource
  /** Importance, [matrices, cols]. */
  readonly columns?: Float32Array
  readonly isSearch: boolean
}

/** Values of a piece: a few MiB in a thread. */
const pieceValues = 2 ** 20

/**
 * The bytes of a tensor, piece by piece in order; the pieces are the same for any number of threads. `onValues` is told how
 * many values each had. Refuses `tensor_values`, naming the row.
 */
export async function* encodeTensor(
  pool: EncodePool,
  { path, name, shape, dtype, rowsOf, columns, isSearch }: TensorJob,
  onValues: (values: number) => void,
): AsyncGenerator<Uint8Array, void, undefined> {
  const cols = shape.at(-1)!
  const height = shape.reduce((product, dim) => product * dim, 1) / cols
  const pieces = piecesOf(height, cols, columns ? columns.length / cols : 1)
  const tasks = function* (): Generator<EncodeTask> {
    for (const { from, rows, matrix } of pieces) {
      const importance = columns && positive(columns.subarray(matrix * cols, (matrix + 1) * cols))
      yield { source: rowsOf(from, rows), rows, cols, dtype, isSearch, ...(importance ? { importance } : {}) }
    }
  }
  let next = 0
  for await (const result of pool.encode(tasks())) {
    const { from, rows } = pieces[next++]!
    if (!('bytes' in result)) {
      const { row, found, accepted } = result
      return fail('tensor_values', { path, tensor: name, row: from + row, found, accepted })
    }
    yield result.bytes
    onValues(rows * cols)
  }
}

/** Rows of one matrix of a tensor. */
interface Piece {
  readonly from: number
  readonly rows: number
  readonly matrix: number
}

/** Cuts `rows` rows of `matrices` matrices of equal height into pieces, the same ones for any number of threads. */
function piecesOf(rows: number, cols: number, matrices: number): readonly Piece[] {
  const height = rows / matrices
  const most = Math.max(1, Math.floor(pieceValues / cols))
  const pieces: Piece[] = []
  for (let matrix = 0; matrix < matrices; matrix++) {
    for (let row = 0; row < height; row += most) {
      pieces.push({ from: matrix * height + row, rows: Math.min(most, height - row), matrix })
    }
  }
  return pieces
}

/** Columns that were never used count a little, so that blocks of nothing else still have a scale. */
function positive(means: Float32Array): Float32Array | undefined {
  const mean = means.reduce((sum, value) => sum + value, 0) / means.length
  return mean > 0 ? means.map((value) => Math.max(value, 1e-6 * mean)) : undefined
}
