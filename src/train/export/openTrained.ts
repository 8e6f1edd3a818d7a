import { existsSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fail } from '../../base/errors.ts'
import type { Checkpoint } from '../../formats/checkpoint.ts'
import { openCheckpoint } from '../../formats/openCheckpoint.ts'
import { openSafetensors } from '../../formats/openSafetensors.ts'
import { isTrainingCheckpoint } from '../checkpoint/checkpointHeader.ts'
import { openTraining, type TrainingCheckpoint } from '../checkpoint/openTraining.ts'
import { newestWhole } from '../checkpoint/resumeTraining.ts'
import { openModelFolder } from './modelFolder.ts'
import { trainedCheckpoint } from './trainedCheckpoint.ts'

/** The folders of a training's run folder. */
export const runFolders = { checkpoints: 'checkpoints', model: 'model' } as const

/** Which values of the weights are meant: those in training, or their running averages. */
export type TrainedKind = 'weight' | 'average'

/** A model that was opened, and what is to be told of it. */
export interface Opened {
  readonly checkpoint: Checkpoint
  readonly notes: readonly string[]
}

/**
 * Opens a model: the newest whole checkpoint of a training's run folder, one of its checkpoints, or as `openCheckpoint`. All values
 * of a training checkpoint are compared with their sums first. Refuses `checkpoints_damaged`, `file_malformed`, and `tensor_missing`
 * where averages are asked for and there are none.
 */
export function openTrained(path: string, kind: TrainedKind): Opened {
  const checkpoints = join(path, runFolders.checkpoints)
  if (isFolder(checkpoints) && isFolder(join(path, runFolders.model))) {
    const newest = newestWhole(checkpoints)
    if (!newest) fail('file_missing', { path: checkpoints, cause: 'no checkpoint is in it' })
    return { checkpoint: openOne(newest.path, kind), notes: newest.passedOver }
  }
  return { checkpoint: isTraining(path) ? openVerified(path, kind) : openPlain(path, kind), notes: [] }
}

function openPlain(path: string, kind: TrainedKind): Checkpoint {
  if (kind === 'average') {
    const accepted = 'a training checkpoint, which has them'
    fail('option_invalid', { option: '--average', found: path, accepted })
  }
  return openCheckpoint(path)
}

function openVerified(path: string, kind: TrainedKind): Checkpoint {
  const training = openTraining(path)
  try {
    training.verify()
  } finally {
    training.close()
  }
  return openOne(path, kind)
}

function openOne(path: string, kind: TrainedKind): Checkpoint {
  const training = openTraining(path)
  try {
    const base = openModelFolder(join(dirname(path), '..', runFolders.model))
    const checkpoint = trainedCheckpoint(base, weightsOf(training, kind), path)
    return {
      ...checkpoint,
      close() {
        checkpoint.close()
        base.close()
        training.close()
      },
    }
  } catch (error) {
    training.close()
    throw error
  }
}

function weightsOf(training: TrainingCheckpoint, kind: TrainedKind) {
  const begin = `${kind}.`
  const names = [...training.tensors.keys()].filter((name) => name.startsWith(begin))
  if (names.length === 0) {
    const shape = 'of its weight; averages are kept where the config asks for them'
    fail('tensor_missing', { path: training.path, tensor: `${begin}NAME`, shape })
  }
  return {
    names: new Set(names.map((name) => name.slice(begin.length))),
    valuesOf(name: string): Float32Array {
      const record = training.tensors.get(begin + name)!
      return new Float32Array(training.read(record).buffer)
    },
  }
}

function isTraining(path: string): boolean {
  if (!path.endsWith('.safetensors')) return false
  const file = openSafetensors(path)
  file.close()
  return isTrainingCheckpoint(file)
}

function isFolder(path: string): boolean {
  return existsSync(path) && statSync(path).isDirectory()
}
