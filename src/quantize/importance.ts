import { fail } from '../base/errors.ts'
import { ByteReader } from '../formats/byteReader.ts'
import { type ByteSource, openFile } from '../formats/byteSource.ts'
import { readGguf } from '../formats/gguf.ts'
import type { GgufValue } from '../formats/ggufValue.ts'
import type { TensorData } from '../formats/tensorData.ts'
import { writeGguf } from '../formats/writeGguf.ts'

/** Mean squared activations of the inputs of matrices: how much each column of a matrix counts. */
export interface ImportanceMatrix {
  readonly path: string
  /** Pieces of text that it was gathered over; 0: the file does not say. */
  readonly chunks: number
  /** By tensor name (`blk.0.ffn_down.weight`): [matrices, cols], one matrix but for stacked experts. */
  readonly columns: ReadonlyMap<string, Float32Array>
}

const sumsEnd = '.in_sum2'
const countsEnd = '.counts'
const mostDatEntries = 2 ** 20

/** Reads an importance matrix of llama.cpp, of either of its formats. Refuses `file_missing` and `file_malformed`. */
export function readImportance(path: string): ImportanceMatrix {
  const source = openFile(path)
  try {
    const begin = new Uint8Array(Math.min(4, source.size))
    source.read(0, begin)
    return Buffer.from(begin).toString('latin1') === 'GGUF' ? readGgufImportance(source) : readDat(source)
  } finally {
    source.close()
  }
}

/** GGUF: per matrix the sums of squares `<name>.in_sum2` [matrices, cols] and their numbers `<name>.counts` [matrices, 1]. */
function readGgufImportance(source: ByteSource): ImportanceMatrix {
  const { path } = source
  const { metadata, tensors } = readGguf(source)
  const refuse = (what: string): never =>
    fail('file_malformed', { path, what, accepted: 'an importance matrix: f32 tensors NAME.in_sum2 and NAME.counts' })
  const floats = (name: string): Float32Array => {
    const record = tensors.get(name)
    if (record?.dtype !== 'f32') return refuse(`tensor '${name}' is ${record ? record.dtype : 'missing'}`)
    const bytes = new Uint8Array(record.bytes)
    source.read(record.offset, bytes)
    return new Float32Array(bytes.buffer)
  }
  const columns = new Map<string, Float32Array>()
  for (const sumsName of tensors.keys()) {
    if (!sumsName.endsWith(sumsEnd)) continue
    const name = sumsName.slice(0, -sumsEnd.length)
    const sums = floats(sumsName)
    const counts = floats(name + countsEnd)
    const cols = sums.length / counts.length
    if (!Number.isInteger(cols)) refuse(`'${name}' has ${sums.length} sums and ${counts.length} counts`)
    // An expert that no token reached says nothing of its columns.
    const means = sums.map((sum, i) => (counts[Math.floor(i / cols)]! > 0 ? sum / counts[Math.floor(i / cols)]! : 1))
    columns.set(name, checkMeans(path, name, means))
  }
  if (columns.size === 0) refuse(`no tensor's name ends in ${sumsEnd}`)
  const chunks = metadata.get('imatrix.chunk_count')
  return { path, chunks: typeof chunks === 'number' ? chunks : 0, columns }
}

/** The format before GGUF: count, then per entry name, number of calls, number of values and sums of squares. */
function readDat(source: ByteSource): ImportanceMatrix {
  const { path } = source
  const reader = new ByteReader(source, source.size)
  const refuse = (what: string, at: number): never =>
    fail('file_malformed', {
      path,
      at,
      what,
      accepted: 'an importance matrix, as GGUF or as llama.cpp wrote it before',
    })
  const size = (what: string, most: number) => {
    const value = reader.i32(what)
    return value >= 1 && value <= most ? value : refuse(`${what} is ${value}`, reader.position - 4)
  }
  const columns = new Map<string, Float32Array>()
  const entries = size('number of entries', mostDatEntries)
  for (let i = 0; i < entries; i++) {
    const name = reader.text(size(`length of name ${i}`, 4096), `name ${i}`)
    const calls = reader.i32(`calls of '${name}'`)
    const count = size(`number of values of '${name}'`, source.size)
    const sums = new Float32Array(reader.bytes(4 * count, `values of '${name}'`).buffer)
    columns.set(name, checkMeans(path, name, calls > 0 ? sums.map((sum) => sum / calls) : sums))
  }
  const chunks = source.size - reader.position >= 4 ? reader.i32('number of chunks') : 0
  return { path, chunks, columns }
}

function checkMeans(path: string, name: string, means: Float32Array): Float32Array {
  const bad = means.findIndex((mean) => !(mean >= 0 && Number.isFinite(mean)))
  if (bad < 0) return means
  return fail('file_malformed', {
    path,
    what: `column ${bad} of '${name}' has the mean square ${means[bad]}`,
    accepted: 'finite numbers from 0 upwards',
  })
}

/** Sums over the rows that a matrix was applied to. */
export interface ActivationSums {
  /** Squares, per column. */
  readonly squares: Float64Array
  /** Rows. */
  count: number
}

/** Writes what `readImportance` reads, as llama.cpp's GGUF. `dataset` names the text. Refuses as `writeGguf`. */
export function writeImportance(
  path: string,
  sums: ReadonlyMap<string, ActivationSums>,
  { dataset, chunks, chunkTokens }: { readonly dataset: string; readonly chunks: number; readonly chunkTokens: number },
): void {
  const metadata: Record<string, GgufValue> = {
    'general.type': { type: 'string', value: 'imatrix' },
    'imatrix.datasets': { type: 'array', of: 'string', value: [dataset] },
    'imatrix.chunk_count': { type: 'uint32', value: chunks },
    'imatrix.chunk_size': { type: 'uint32', value: chunkTokens },
  }
  const names = [...sums.keys()].sort((a, b) => (a < b ? -1 : 1))
  const bytesOf = (values: Iterable<number>) => new Uint8Array(Float32Array.from(values).buffer)
  const tensors = names.flatMap((name): TensorData[] => {
    const { squares, count } = sums.get(name)!
    return [
      { name: name + sumsEnd, dtype: 'f32', shape: [1, squares.length], data: bytesOf(squares) },
      { name: name + countsEnd, dtype: 'f32', shape: [1, 1], data: bytesOf([count]) },
    ]
  })
  writeGguf(path, metadata, tensors)
}
