import { bytesOf, type WeightDtype } from '../base/dtypes.ts'
import { packPanel, panelBytes } from '../kernels/layouts.ts'
import type { MemoryPlan, PlacedWeight } from './planMemory.ts'

/** Gives `count` rows of a checkpoint tensor (our name) from row `from` on, in this dtype. */
export type ReadRows = (source: string, dtype: WeightDtype, from: number, count: number) => Uint8Array

/** The rows that a checkpoint tensor has. */
export type RowsOf = (source: string) => number

/** Largest piece that is packed at once. */
const pieceBytes = 4 << 20

/** The bytes of the weights region in order, padding included, in pieces. */
export function* packWeights(plan: MemoryPlan, lanes: number, rowsOf: RowsOf, read: ReadRows): Generator<Uint8Array> {
  let end = 0
  for (const weight of plan.weights) {
    yield* padding(weight.offset - end)
    yield* packWeight(weight, lanes, rowsOf, read)
    end = weight.offset + weight.bytes
  }
  yield* padding(plan.weightsBytes - end)
}

function* padding(bytes: number): Generator<Uint8Array> {
  if (bytes > 0) yield new Uint8Array(bytes)
}

function* packWeight(weight: PlacedWeight, lanes: number, rowsOf: RowsOf, read: ReadRows): Generator<Uint8Array> {
  const { dtype, rows, cols, layout, parts } = weight
  const readPart = parts.map((sources) => stackedReader(sources, dtype, rowsOf, read))
  if (layout === 'rows') {
    // Stacked vectors are one row of the weight and a row each in the checkpoint.
    const stored = parts[0]!.reduce((sum, source) => sum + rowsOf(source), 0)
    const step = Math.max(1, Math.floor(pieceBytes / bytesOf(dtype, cols)!))
    for (let row = 0; row < stored; row += step) yield readPart[0]!(row, Math.min(step, stored - row))
    return
  }
  const bytes = panelBytes(dtype, lanes, cols)
  const rowBytes = bytesOf(dtype, cols)!
  const panels = Math.ceil(rows / lanes)
  const step = Math.max(1, Math.floor(pieceBytes / (bytes * parts.length)))
  for (let panel = 0; panel < panels; panel += step) {
    const count = Math.min(step, panels - panel)
    const first = panel * lanes
    const last = Math.min(rows, first + count * lanes)
    const out = new Uint8Array(count * bytes * parts.length)
    readPart.forEach((readRows, part) => {
      const source = readRows(first, last - first)
      for (let i = 0; i < count; i++) {
        const row = i * lanes
        const some = Math.min(lanes, last - first - row)
        packPanel(dtype, lanes, cols, source.subarray(row * rowBytes), some, out, (i * parts.length + part) * bytes)
      }
    })
    yield out
  }
}

/** Reads rows of several tensors as if they stood in one. */
function stackedReader(sources: readonly string[], dtype: WeightDtype, rowsOf: RowsOf, read: ReadRows) {
  return (from: number, count: number): Uint8Array => {
    const pieces: Uint8Array[] = []
    let start = 0
    for (const source of sources) {
      const rows = rowsOf(source)
      const low = Math.max(from, start)
      const high = Math.min(from + count, start + rows)
      if (low < high) pieces.push(read(source, dtype, low - start, high - low))
      start += rows
    }
    return pieces.length === 1 ? pieces[0]! : concat(pieces)
  }
}

function concat(pieces: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0))
  let at = 0
  for (const piece of pieces) {
    whole.set(piece, at)
    at += piece.length
  }
  return whole
}
