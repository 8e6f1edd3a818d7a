import { type Dtype, dtypes } from '../base/dtypes.ts'
import { fail } from '../base/errors.ts'
import { defaultAlignment } from './ggufTypes.ts'
import { encodeKey, encodeText, encodeU32, encodeU64, type GgufValue } from './ggufValue.ts'
import { appendData, checkNames, checkWritten, type TensorData, type TensorStream, tensorBytes } from './tensorData.ts'
import { beginBeside, writeBeside } from './writeBeside.ts'

/**
 * Writes a GGUF file of version 3. Keys and tensors keep their order; data is aligned to `general.alignment` (a uint32
 * key), or 32 where that is absent. The same arguments give the same bytes. Refuses `write_failed`, `config_invalid`
 * (a value that its type does not hold), `tensor_type_unsupported`, `tensor_shape` and `file_malformed`.
 */
export function writeGguf(
  path: string,
  metadata: Readonly<Record<string, GgufValue>>,
  tensors: readonly TensorData[],
): void {
  const { header, alignment } = encodeHeader(path, metadata, tensors)
  writeBeside(path, (file) => {
    file.append(header)
    for (const tensor of tensors) {
      file.pad(alignment)
      appendData(file, path, tensor, tensorBytes(path, tensor))
    }
    if (tensors.length > 0) file.pad(alignment)
  })
}

/** As `writeGguf`, with data that comes piece by piece. Where making it fails, what was written is removed. */
export async function streamGguf(
  path: string,
  metadata: Readonly<Record<string, GgufValue>>,
  tensors: readonly TensorStream[],
): Promise<void> {
  const { header, alignment } = encodeHeader(path, metadata, tensors)
  const { file, commit, abandon } = beginBeside(path)
  try {
    file.append(header)
    for (const tensor of tensors) {
      file.pad(alignment)
      const begin = file.size
      for await (const piece of tensor.data()) file.append(piece)
      checkWritten(path, tensor, file.size - begin, tensorBytes(path, tensor))
    }
    if (tensors.length > 0) file.pad(alignment)
    commit()
  } catch (error) {
    abandon()
    throw error
  }
}

function encodeHeader(
  path: string,
  metadata: Readonly<Record<string, GgufValue>>,
  tensors: readonly Omit<TensorData, 'data'>[],
): { header: Uint8Array; alignment: number } {
  checkNames(path, tensors)
  const alignment = alignmentOf(path, metadata)
  const keys = Object.entries(metadata)
  const header = [Buffer.from('GGUF'), encodeU32(3), encodeU64(tensors.length), encodeU64(keys.length)]
  for (const [key, value] of keys) header.push(encodeKey(path, key, value))
  let offset = 0
  for (const tensor of tensors) {
    header.push(encodeTensor(path, tensor, offset))
    offset += Math.ceil(tensorBytes(path, tensor) / alignment) * alignment
  }
  return { header: Buffer.concat(header), alignment }
}

function encodeTensor(path: string, tensor: Omit<TensorData, 'data'>, offset: number): Buffer {
  const { name, shape, dtype } = tensor
  if (shape.length < 1 || shape.length > 4) {
    fail('tensor_shape', { path, tensor: name, found: `[${shape.join(', ')}]`, accepted: '1 to 4 dims' })
  }
  const dims = [...shape].reverse().map(encodeU64)
  return Buffer.concat([
    encodeText(name),
    encodeU32(shape.length),
    ...dims,
    encodeU32(ggmlType(path, name, dtype)),
    encodeU64(offset),
  ])
}

function ggmlType(path: string, tensor: string, dtype: Dtype): number {
  const id = dtypes[dtype].gguf
  if (id !== null) return id
  fail('tensor_type_unsupported', { path, tensor, found: dtype, accepted: 'types that GGUF has a number for' })
}

function alignmentOf(path: string, metadata: Readonly<Record<string, GgufValue>>): number {
  const value = metadata['general.alignment']
  if (value === undefined) return defaultAlignment
  if (value.type === 'uint32' && value.value >= 8 && Number.isInteger(Math.log2(value.value))) return value.value
  const found = `${value.type} ${String(value.value)}`
  fail('config_invalid', { path, key: 'general.alignment', found, accepted: 'a uint32 power of two from 8 upwards' })
}
