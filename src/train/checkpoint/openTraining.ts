import { crc32 } from 'node:zlib'
import { fail } from '../../base/errors.ts'
import type { TensorRecord } from '../../formats/checkpoint.ts'
import { openSafetensors } from '../../formats/openSafetensors.ts'
import { decodeMetadata, hex } from './checkpointHeader.ts'
import {
  bytesOfTensor,
  storedDtype,
  storedName,
  type TensorKind,
  type TrainingFacts,
  type TrainingTensor,
} from './trainingState.ts'

/** An open training checkpoint: its header has been compared with its sum, its tensors not yet. */
export interface TrainingCheckpoint {
  readonly path: string
  readonly facts: TrainingFacts
  /** By their names in the file: `weight.NAME`, `optimizer.NAME`, `average.NAME`. */
  readonly tensors: ReadonlyMap<string, TensorRecord>
  /** Reads as `Checkpoint.read`; nothing is compared. */
  read(tensor: TensorRecord, from?: number, bytes?: number, into?: Uint8Array): Uint8Array
  /** Reads every tensor piece by piece and refuses `file_malformed` where one is not what was written. */
  verify(): void
  /**
   * Fills the memory of `tensors`, which are all of theirs kinds that the training has. Refuses `checkpoint_other` before
   * a byte is changed where the file's tensors of these kinds are not the same, naming the first that differs, and
   * `file_malformed` where the bytes of one are not what was written: memory is then filled in part.
   */
  restore(tensors: readonly TrainingTensor[], template: string): void
  close(): void
}

const pieceBytes = 2 ** 22

/** Opens a training checkpoint. Refuses `file_missing`, and `file_malformed` for a damaged header or another kind of file. */
export function openTraining(path: string): TrainingCheckpoint {
  const file = openSafetensors(path)
  try {
    const { facts, sums } = decodeMetadata(path, file)
    const compare = (name: string, sum: number) => {
      if (hex(sum) === sums.get(name)) return
      fail('file_malformed', { path, what: `the values of tensor '${name}' are damaged`, accepted: 'a whole file' })
    }
    return {
      ...{ path, facts, tensors: file.tensors, read: file.read, close: file.close },
      verify() {
        const piece = new Uint8Array(pieceBytes)
        for (const tensor of file.tensors.values()) {
          let sum = 0
          for (let at = 0; at < tensor.bytes; at += pieceBytes)
            sum = crc32(file.read(tensor, at, Math.min(pieceBytes, tensor.bytes - at), piece), sum)
          compare(tensor.name, sum)
        }
      },
      restore(tensors, template) {
        refuseOther(path, file.tensors, tensors)
        if (facts.template !== template) {
          const what = `it trains a model of template '${facts.template}'`
          fail('checkpoint_other', { path, what, accepted: `'${template}'` })
        }
        for (const tensor of tensors) {
          const record = file.tensors.get(storedName(tensor))!
          compare(record.name, crc32(file.read(record, 0, record.bytes, bytesOfTensor(tensor))))
        }
      },
    }
  } catch (error) {
    file.close()
    throw error
  }
}

/** Compares names, shapes and types, in the order of the training. */
function refuseOther(path: string, found: TrainingCheckpoint['tensors'], wanted: readonly TrainingTensor[]): void {
  for (const tensor of wanted) {
    const name = storedName(tensor)
    const accepted = `[${tensor.shape.join(', ')}] in ${storedDtype(tensor)}`
    const record = found.get(name)
    if (!record) fail('checkpoint_other', { path, what: `it has no tensor '${name}'`, accepted })
    const shape = `[${record.shape.join(', ')}] in ${record.dtype}`
    if (shape !== accepted) fail('checkpoint_other', { path, what: `its tensor '${name}' is ${shape}`, accepted })
  }
  const kinds = new Set<TensorKind>(wanted.map(({ kind }) => kind))
  const names = new Set(wanted.map(storedName))
  for (const name of found.keys()) {
    if (names.has(name) || !kinds.has(name.slice(0, name.indexOf('.')) as TensorKind)) continue
    fail('checkpoint_other', { path, what: `it has a tensor '${name}'`, accepted: 'the tensors of this training' })
  }
}
