import { bytesOf, dtypeFromGguf, isWeightDtype, type WeightDtype } from '../base/dtypes.ts'
import { fail } from '../base/errors.ts'
import type { ByteReader } from './byteReader.ts'
import type { TensorRecord } from './checkpoint.ts'
import { checkLimit, readName } from './ggufMetadata.ts'
import { acceptedGgmlTypes, acceptedRows, ggmlTypeName, ggufLimits, nearestToGgmlType } from './ggufTypes.ts'
import { checkWithinFile, countElements, orderExtents } from './tensorExtent.ts'

const maxDims = 4

interface TensorEntry {
  readonly name: string
  readonly dtype: WeightDtype
  readonly shape: readonly number[]
  readonly bytes: number
  /** From the begin of the data section. */
  readonly offset: number
}

/**
 * Reads the tensor table of a GGUF header and places its tensors in the data section, which begins at the next multiple
 * of `alignment`. Refuses `file_malformed`, `tensor_type_unsupported` and `tensor_shape`, naming the tensor.
 */
export function readTensors(reader: ByteReader, count: number, alignment: number): Map<string, TensorRecord> {
  // Name length and a name of one byte, number of dims, one dim, type, offset.
  reader.needItems(count, 33, 'the tensor table')
  checkLimit(reader, count, 'tensors', ggufLimits.tensors)
  const entries = new Map<string, TensorEntry>()
  for (let i = 0; i < count; i++) {
    const at = reader.position
    const entry = readEntry(reader, `tensor ${i}`, alignment)
    if (entries.has(entry.name)) {
      fail('file_malformed', {
        path: reader.source.path,
        at,
        what: `tensor '${entry.name}' occurs twice`,
        accepted: 'each tensor once',
      })
    }
    entries.set(entry.name, entry)
  }
  return place(reader, entries, Math.ceil(reader.position / alignment) * alignment)
}

function place(reader: ByteReader, entries: Map<string, TensorEntry>, begin: number): Map<string, TensorRecord> {
  const { path, size } = reader.source
  const tensors = new Map<string, TensorRecord>()
  for (const { name, dtype, shape, bytes, offset } of entries.values()) {
    const record = { name, dtype, shape, file: path, offset: begin + offset, bytes }
    checkWithinFile(path, record, size)
    tensors.set(name, record)
  }
  orderExtents(path, tensors.values())
  return tensors
}

function readEntry(reader: ByteReader, what: string, alignment: number): TensorEntry {
  const name = readName(reader, what)
  const dims = readDims(reader, name)
  const shape = dims.reverse()
  const elements = countElements(reader.source.path, name, shape)
  const dtype = readDtype(reader, name)
  const columns = shape.at(-1)!
  const bytes = bytesOf(dtype, columns) === undefined ? undefined : bytesOf(dtype, elements)
  if (bytes === undefined) {
    fail('tensor_shape', {
      path: reader.source.path,
      tensor: name,
      found: `[${shape.join(', ')}]`,
      accepted: acceptedRows(dtype, columns),
    })
  }
  const offset = reader.size(`offset of tensor '${name}'`)
  if (offset % alignment !== 0) {
    fail('file_malformed', {
      path: reader.source.path,
      at: reader.position - 8,
      what: `tensor '${name}' has offset ${offset}`,
      accepted: `multiples of the alignment ${alignment}`,
    })
  }
  return { name, dtype, shape, bytes, offset }
}

function readDims(reader: ByteReader, name: string): number[] {
  const count = reader.u32(`number of dims of tensor '${name}'`)
  if (count < 1 || count > maxDims) {
    fail('file_malformed', {
      path: reader.source.path,
      at: reader.position - 4,
      what: `tensor '${name}' has ${count} dims`,
      accepted: `1 to ${maxDims}`,
    })
  }
  const dims: number[] = []
  for (let i = 0; i < count; i++) dims.push(reader.size(`dim ${i} of tensor '${name}'`))
  return dims
}

function readDtype(reader: ByteReader, name: string): WeightDtype {
  const id = reader.u32(`type of tensor '${name}'`)
  const dtype = dtypeFromGguf(id)
  if (dtype !== undefined && isWeightDtype(dtype)) return dtype
  const nearest = nearestToGgmlType.get(id)
  fail('tensor_type_unsupported', {
    path: reader.source.path,
    tensor: name,
    found: ggmlTypeName(id),
    accepted: nearest ? `${acceptedGgmlTypes}; nearest: ${nearest.toUpperCase()}` : acceptedGgmlTypes,
  })
}
