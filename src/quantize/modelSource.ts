import { bytesOf, type WeightDtype } from '../base/dtypes.ts'
import { fail } from '../base/errors.ts'
import { chatTemplateKeys } from '../chat/readChatTemplate.ts'
import type { Checkpoint, TensorRecord } from '../formats/checkpoint.ts'
import { type GgufValue, storedValue } from '../formats/ggufValue.ts'
import { ConfigReader } from '../templates/configReader.ts'
import { templates } from '../templates/readModel.ts'
import { readRows } from '../templates/weightRows.ts'
import { findSource, sourceDtype } from '../templates/weightSource.ts'
import { readTokenizer } from '../tokenizer/readTokenizer.ts'
import { writeGgufTokenizer } from '../tokenizer/writeGgufTokenizer.ts'
import type { NamedShape } from './planTensors.ts'

/** A tensor by its GGUF name. */
export interface SourceTensor extends NamedShape {
  readonly dtype: WeightDtype
  /** The bytes of `count` rows from row `from` on, in a buffer of their own; rows are those of all axes but the last. */
  read(from: number, count: number): Uint8Array
}

/** A checkpoint as a GGUF file would have it. */
export interface ModelSource {
  readonly metadata: Readonly<Record<string, GgufValue>>
  readonly tensors: readonly SourceTensor[]
  /** Query heads that share a head of keys and values. */
  readonly headsPerValue: number
}

/** Other readers ask for the key. */
const noTokenizer: Readonly<Record<string, GgufValue>> = { 'tokenizer.ggml.model': { type: 'string', value: 'none' } }

/** Keys that speak of the files that were read. */
const ownKeys = /^split\./

/** What a GGUF file of this checkpoint holds. Refuses what a transformers folder has that GGUF files have no place for. */
export function modelSource(checkpoint: Checkpoint): ModelSource {
  const { description } = checkpoint
  if (description.format === 'transformers') return fromTransformers(checkpoint)
  const { metadata, types } = description
  const kept = [...metadata].filter(([key]) => !ownKeys.test(key))
  return {
    metadata: Object.fromEntries(kept.map(([key, value]) => [key, storedValue(value, types.get(key)!)])),
    tensors: [...checkpoint.tensors.values()].map((record) => storedTensor(checkpoint, record)),
    headsPerValue: headsPerValue(
      metadata.get(`${checkpoint.architecture}.attention.head_count`),
      metadata.get(`${checkpoint.architecture}.attention.head_count_kv`),
    ),
  }
}

/** 1 where a file does not say, or has a list with a number for every layer. */
function headsPerValue(heads: unknown, values: unknown): number {
  return typeof heads === 'number' && typeof values === 'number' && values > 0 ? heads / values : 1
}

function storedTensor(checkpoint: Checkpoint, record: TensorRecord): SourceTensor {
  const { name, dtype, shape } = record
  const rowBytes = bytesOf(dtype, shape.at(-1)!)!
  const read = (from: number, count: number) => checkpoint.read(record, from * rowBytes, count * rowBytes)
  return { name, shape, dtype, read }
}

/** Reads rows in another order: `rowOf` gives the row that stands at each place. Neighbours are read together. */
function inOrder(
  read: SourceTensor['read'],
  cols: number,
  dtype: WeightDtype,
  rowOf: (row: number) => number,
): SourceTensor['read'] {
  const rowBytes = bytesOf(dtype, cols)!
  return (from, count) => {
    const out = new Uint8Array(count * rowBytes)
    for (let row = 0; row < count; ) {
      let run = 1
      while (row + run < count && rowOf(from + row + run) === rowOf(from + row) + run) run++
      out.set(read(rowOf(from + row), run), row * rowBytes)
      row += run
    }
    return out
  }
}

/** The same for the entries of a vector, which is one row. */
function vectorInOrder(
  read: SourceTensor['read'],
  entries: number,
  dtype: WeightDtype,
  rowOf: (row: number) => number,
): SourceTensor['read'] {
  const bytes = bytesOf(dtype, 1)!
  return () => {
    const whole = read(0, 1)
    return inOrder((from, count) => whole.subarray(from * bytes, (from + count) * bytes), 1, dtype, rowOf)(0, entries)
  }
}

/** Reads rows with their entries in another order: `colOf` gives the entry that stands at each place. */
function withColumns(
  read: SourceTensor['read'],
  cols: number,
  dtype: WeightDtype,
  colOf: (col: number) => number,
): SourceTensor['read'] {
  const bytes = bytesOf(dtype, 1)!
  const places = Array.from({ length: cols }, (_, col) => colOf(col))
  return (from, count) => {
    const rows = read(from, count)
    const out = new Uint8Array(rows.length)
    for (let row = 0; row < rows.length; row += cols * bytes) {
      places.forEach((place, col) => {
        out.set(rows.subarray(row + place * bytes, row + (place + 1) * bytes), row + col * bytes)
      })
    }
    return out
  }
}

/** Multiplies f32 rows of `cols` columns; the entries of a vector are rows of one. */
function multiplied(read: SourceTensor['read'], cols: number, factorOf: (row: number) => number): SourceTensor['read'] {
  return (from, count) => {
    const values = new Float32Array(read(from, count).buffer)
    return new Uint8Array(values.map((value, i) => value * factorOf(from + Math.floor(i / cols))).buffer)
  }
}

/** Weights that are parts of one tensor have its name, in its order. */
function joinNamesakes(tensors: readonly SourceTensor[]): readonly SourceTensor[] {
  const parts = new Map<string, SourceTensor[]>()
  for (const tensor of tensors) parts.set(tensor.name, [...(parts.get(tensor.name) ?? []), tensor])
  return [...parts.values()].map((own) => (own.length === 1 ? own[0]! : stacked(own)))
}

function stacked(parts: readonly SourceTensor[]): SourceTensor {
  const { name, shape, dtype } = parts[0]!
  const starts = parts.map((_, i) => parts.slice(0, i).reduce((rows, part) => rows + part.shape[0]!, 0))
  const rows = parts.reduce((sum, part) => sum + part.shape[0]!, 0)
  return {
    name,
    dtype,
    shape: [rows, ...shape.slice(1)],
    read(from, count) {
      const pieces = parts.flatMap((part, i) => {
        const begin = Math.max(from - starts[i]!, 0)
        const end = Math.min(from + count - starts[i]!, part.shape[0]!)
        return end > begin ? [part.read(begin, end - begin)] : []
      })
      return Uint8Array.from(Buffer.concat(pieces))
    },
  }
}

function fromTransformers(checkpoint: Checkpoint): ModelSource {
  const { path, architecture, description } = checkpoint
  const template = templates.find(({ transformers }) => transformers.includes(architecture))
  if (!template) {
    const accepted = templates.flatMap(({ transformers }) => transformers).join(', ')
    return fail('architecture_unknown', { path, found: architecture, accepted })
  }
  const config = template.config.transformers(new ConfigReader(checkpoint))
  const form = template.toGguf(config)
  const { metadata } = form
  const stored = template.weights(config).filter(({ isDerived }) => !isDerived)
  const tensors = stored.map((spec): SourceTensor => {
    const source = findSource(checkpoint, spec)
    const factors = form.factorsOf?.(spec.name)
    const dtype = factors ? 'f32' : sourceDtype(source)
    const plain = (from: number, count: number) => readRows(checkpoint, spec.name, source, dtype, from, count)
    const order = (row: number) => form.rowOf(spec.name, row)
    const [entries = 0, cols] = spec.shape
    const inRows = cols === undefined ? vectorInOrder(plain, entries, dtype, order) : inOrder(plain, cols, dtype, order)
    const colOf = (col: number) => form.colOf?.(spec.name, col) ?? col
    const isMoved = Array.from({ length: cols ?? 0 }, (_, col) => colOf(col)).some((place, col) => place !== col)
    const ordered = isMoved ? withColumns(inRows, cols ?? 1, dtype, colOf) : inRows
    return {
      name: spec.gguf,
      shape: spec.shape,
      dtype,
      read: factors ? multiplied(ordered, cols ?? 1, factors) : ordered,
    }
  })
  const tokenizer = readTokenizer(description, path)
  const { vocabulary } = template.sizes(config)
  const family = template.gguf[0]!
  return {
    metadata: {
      'general.architecture': { type: 'string', value: family },
      'general.name': { type: 'string', value: checkpoint.name },
      ...metadata,
      ...(tokenizer
        ? { ...writeGgufTokenizer(tokenizer, vocabulary), ...chatTemplateKeys(description, path) }
        : noTokenizer),
    },
    tensors: joinNamesakes(tensors),
    headsPerValue: headsPerValue(
      metadata[`${family}.attention.head_count`]?.value,
      metadata[`${family}.attention.head_count_kv`]?.value,
    ),
  }
}
