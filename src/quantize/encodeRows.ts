import { bytesOf, dtypes, type Encode, rowOfBadScale, type WeightDtype, weightRows } from '../base/dtypes.ts'
import { fillRandom } from './randomValues.ts'

/** Where the values of some rows come from: bytes of a checkpoint, or a generator's state (randomValues.ts). */
export type RowSource =
  | { readonly from: 'bytes'; readonly dtype: WeightDtype; readonly bytes: Uint8Array }
  | { readonly from: 'random'; readonly state: number; readonly spread: number }

/** Some rows of a matrix, to be written in another format. Plain data, which goes to a thread. */
export interface EncodeTask {
  readonly source: RowSource
  readonly rows: number
  readonly cols: number
  readonly dtype: WeightDtype
  /** A positive number per column. */
  readonly importance?: Float32Array
  readonly isSearch: boolean
}

/** The rows' bytes; or the first row that cannot be written, and why. */
export type EncodeResult =
  | { readonly bytes: Uint8Array }
  | { readonly row: number; readonly found: string; readonly accepted: string }

/** Decodes and encodes rows one by one. `encoders` keeps the encoders that were made, for the next call. */
export function encodeRows(task: EncodeTask, encoders: Map<string, Encode>): EncodeResult {
  const { source, rows, cols, dtype, importance, isSearch } = task
  if (source.from === 'bytes') {
    const row = rowOfBadScale(source.dtype, source.bytes, rows, cols)
    if (row !== undefined) return { row, found: 'a scale that is infinite or not a number', accepted: 'finite scales' }
    if (source.dtype === dtype) return { bytes: source.bytes }
  }
  const key = `${dtype} ${isSearch}`
  const encode = encoders.get(key) ?? weightRows[dtype].encoder(isSearch)
  encoders.set(key, encode)
  const rowBytes = bytesOf(dtype, cols)!
  const blocks = cols / dtypes[dtype].blockElements
  const bytes = new Uint8Array(rows * rowBytes)
  const values = new Float32Array(cols)
  const fill = filler(source, cols)
  for (let row = 0; row < rows; row++) {
    fill(row, values)
    const bad = values.find((value) => !Number.isFinite(value))
    if (bad !== undefined) return { row, found: `the value ${bad}`, accepted: 'finite values' }
    encode(values, 0, blocks, importance, bytes, row * rowBytes)
  }
  const row = rowOfInfinity(dtype, bytes, rows, cols)
  if (row !== undefined) return { row, found: `values beyond what ${dtype} holds`, accepted: 'smaller values, or f32' }
  return { bytes }
}

function filler(source: RowSource, cols: number): (row: number, values: Float32Array) => void {
  if (source.from === 'random') return fillRandom(source.state, source.spread)
  const { decode, blockElements } = dtypes[source.dtype]
  const { bytes } = source
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const exact = new Float64Array(cols)
  const rowBytes = bytesOf(source.dtype, cols)!
  return (row, values) => {
    decode(view, row * rowBytes, cols / blockElements, exact, 0)
    for (let i = 0; i < cols; i++) values[i] = exact[i]!
  }
}

/** Exponent bits in the high byte and in the low one, all set in an infinity. */
const exponents: { readonly [D in WeightDtype]?: readonly [number, number] } = { f16: [0x7c, 0], bf16: [0x7f, 0x80] }

function rowOfInfinity(dtype: WeightDtype, bytes: Uint8Array, rows: number, cols: number): number | undefined {
  const masks = exponents[dtype]
  if (!masks) return rowOfBadScale(dtype, bytes, rows, cols)
  const [high, low] = masks
  for (let i = 0; i < bytes.length; i += 2) {
    if ((bytes[i + 1]! & high) === high && (bytes[i]! & low) === low) return Math.floor(i / 2 / cols)
  }
  return undefined
}
