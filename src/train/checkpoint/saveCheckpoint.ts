import { basename, join } from 'node:path'
import { CkError, fail } from '../../base/errors.ts'
import { makeFolder } from '../../base/makeFolder.ts'
import { orRefuseWrite } from '../../base/orRefuseWrite.ts'
import { writeSafetensors } from '../../formats/writeSafetensors.ts'
import { checkpointName, listCheckpoints, pruneCheckpoints, removePartials } from './checkpointFolder.ts'
import { encodeMetadata } from './checkpointHeader.ts'
import { bytesOfTensor, storedDtype, storedName, type TrainingFacts, type TrainingTensor } from './trainingState.ts'

/**
 * Writes the checkpoint of `facts.step` into a folder and gives its path. The memory of the tensors is written as it lies,
 * beside the file's place, and the file has its name only once it is on the disk; then all but the newest `keep` checkpoints
 * are removed, and those of later steps. Refuses `checkpoint_unwritten` (a full disk, a folder that is read-only) with the older
 * checkpoints as they were, `tensor_shape` and `file_malformed` (a name twice).
 */
export function saveCheckpoint(
  folder: string,
  facts: TrainingFacts,
  tensors: readonly TrainingTensor[],
  { keep }: { readonly keep: number },
): string {
  const path = join(folder, checkpointName(facts.step))
  const stored = tensors.map((tensor) => ({
    name: storedName(tensor),
    dtype: storedDtype(tensor),
    shape: tensor.shape,
    data: bytesOfTensor(tensor),
  }))
  keepingLast(folder, () => {
    orRefuseWrite(folder, () => {
      makeFolder(folder)
      removePartials(folder)
    })
    writeSafetensors(path, stored, encodeMetadata(facts, tensors), { isDurable: true })
  })
  pruneCheckpoints(folder, facts.step, Math.max(1, keep))
  return path
}

/** Runs `write`; where it cannot, the refusal says which checkpoint is left. */
function keepingLast(folder: string, write: () => void): void {
  try {
    write()
  } catch (error) {
    if (!(error instanceof CkError) || error.code !== 'write_failed') throw error
    const last = listCheckpoints(folder)[0]
    fail('checkpoint_unwritten', { what: error.message, last: last && basename(last.path) })
  }
}
