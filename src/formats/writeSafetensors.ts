import { type Dtype, dtypes } from '../base/dtypes.ts'
import { fail } from '../base/errors.ts'
import { appendData, checkNames, checkWritten, type TensorData, type TensorStream, tensorBytes } from './tensorData.ts'
import { beginBeside, type PartialFile, type WriteOptions, writeBeside } from './writeBeside.ts'

/**
 * Writes a safetensors file. Tensors of wider elements come first, otherwise in the given order, so that every tensor is
 * aligned to its element; keys of `metadata` keep their order. The same arguments give the same bytes. Refuses
 * `write_failed`, `tensor_type_unsupported` (a block format), `tensor_shape` and `file_malformed` (a name twice).
 */
export function writeSafetensors(
  path: string,
  tensors: readonly TensorData[],
  metadata: Readonly<Record<string, string>> = {},
  options: WriteOptions = {},
): void {
  const { header, ordered } = layOut(path, tensors, metadata)
  const write = (file: PartialFile) => {
    file.append(header)
    for (const tensor of ordered) appendData(file, path, tensor, tensorBytes(path, tensor))
  }
  writeBeside(path, write, options)
}

/** As `writeSafetensors`, with data that comes piece by piece. Where making it fails, what was written is removed. */
export async function streamSafetensors(
  path: string,
  tensors: readonly TensorStream[],
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  const { header, ordered } = layOut(path, tensors, metadata)
  const { file, commit, abandon } = beginBeside(path)
  try {
    file.append(header)
    for (const tensor of ordered) {
      const begin = file.size
      for await (const piece of tensor.data()) file.append(piece)
      checkWritten(path, tensor, file.size - begin, tensorBytes(path, tensor))
    }
    commit()
  } catch (error) {
    abandon()
    throw error
  }
}

/** The header, and the tensors in the order of their data. */
function layOut<T extends Omit<TensorData, 'data'>>(
  path: string,
  tensors: readonly T[],
  metadata: Readonly<Record<string, string>>,
): { readonly header: Uint8Array; readonly ordered: readonly T[] } {
  checkNames(path, tensors)
  const ordered = tensors.toSorted((a, b) => dtypes[b.dtype].blockBytes - dtypes[a.dtype].blockBytes)
  const entries: [string, unknown][] = []
  if (Object.keys(metadata).length > 0) entries.push(['__metadata__', metadata])
  let end = 0
  for (const tensor of ordered) {
    const begin = end
    end += tensorBytes(path, tensor)
    const dtype = safetensorsName(path, tensor.name, tensor.dtype)
    entries.push([tensor.name, { dtype, shape: tensor.shape, data_offsets: [begin, end] }])
  }
  return { header: encodeHeader(entries), ordered }
}

/** Length and JSON, filled with spaces so that the data begins at a multiple of 8. */
function encodeHeader(entries: readonly [string, unknown][]): Uint8Array {
  const members = entries.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`)
  const json = Buffer.from(`{${members.join(',')}}`, 'utf8')
  const header = Buffer.alloc(8 + Math.ceil(json.length / 8) * 8, ' ')
  header.writeBigUInt64LE(BigInt(header.length - 8))
  json.copy(header, 8)
  return header
}

function safetensorsName(path: string, tensor: string, dtype: Dtype): string {
  const name = dtypes[dtype].safetensors
  if (name !== null && tensor !== '__metadata__') return name
  const accepted = 'f32, f16, bf16, i32'
  if (name === null) fail('tensor_type_unsupported', { path, tensor, found: dtype, accepted })
  fail('file_malformed', { path, what: `a tensor is called '${tensor}'`, accepted: 'any other name' })
}
