import { bytesOf, type Dtype, dtypes } from '../base/dtypes.ts'
import { fail } from '../base/errors.ts'
import { checkName } from './names.ts'
import { countElements } from './tensorExtent.ts'
import type { PartialFile } from './writeBeside.ts'

/** A tensor to write. `shape` is row-major, outermost first; `data` gives its bytes as the dtype table lays them out. */
export interface TensorData {
  readonly name: string
  readonly dtype: Dtype
  readonly shape: readonly number[]
  readonly data: Uint8Array | (() => Iterable<Uint8Array>)
}

/** A tensor whose data is made while the file is written. */
export interface TensorStream extends Omit<TensorData, 'data'> {
  readonly data: () => AsyncIterable<Uint8Array>
}

/** Bytes that a tensor of this dtype and shape takes; refuses `tensor_shape` and `file_malformed`. */
export function tensorBytes(path: string, { name, dtype, shape }: Omit<TensorData, 'data'>): number {
  const bytes = bytesOf(dtype, countElements(path, name, shape))
  if (bytes !== undefined && (shape.at(-1) ?? 1) % dtypes[dtype].blockElements === 0) return bytes
  fail('tensor_shape', {
    path,
    tensor: name,
    found: `[${shape.join(', ')}]`,
    accepted: `rows of a multiple of ${dtypes[dtype].blockElements} elements, as type ${dtype} has`,
  })
}

/** Refuses `file_malformed` where two tensors have one name, or one has a name that no reader accepts. */
export function checkNames(path: string, tensors: readonly Pick<TensorData, 'name'>[]): void {
  const seen = new Set<string>()
  for (const { name } of tensors) {
    if (seen.has(name)) {
      fail('file_malformed', { path, what: `tensor '${name}' is given twice`, accepted: 'each tensor once' })
    }
    checkName(path, 'a tensor', name)
    seen.add(name)
  }
}

/** Appends a tensor's data piece by piece; refuses `tensor_shape` where it is not exactly `bytes` bytes. */
export function appendData(file: PartialFile, path: string, tensor: TensorData, bytes: number): void {
  const begin = file.size
  for (const piece of typeof tensor.data === 'function' ? tensor.data() : [tensor.data]) file.append(piece)
  checkWritten(path, tensor, file.size - begin, bytes)
}

/** Refuses `tensor_shape` where a tensor's data has not the bytes that its dtype and shape take. */
export function checkWritten(path: string, tensor: Omit<TensorData, 'data'>, written: number, bytes: number): void {
  if (written === bytes) return
  fail('tensor_shape', {
    path,
    tensor: tensor.name,
    found: `[${tensor.shape.join(', ')}] with ${written} bytes of data`,
    accepted: `${bytes} bytes of data, as ${tensor.dtype} of this shape has`,
  })
}
