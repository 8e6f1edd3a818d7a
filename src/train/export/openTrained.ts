import { existsSync, readdirSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fail } from '../../base/errors.ts'
import type { Checkpoint } from '../../formats/checkpoint.ts'
import { openCheckpoint } from '../../formats/openCheckpoint.ts'
import { openSafetensors } from '../../formats/openSafetensors.ts'
import { isTrainingCheckpoint } from '../checkpoint/checkpointHeader.ts'
import { openTraining, type TrainingCheckpoint } from '../checkpoint/openTraining.ts'
import { newestWhole } from '../checkpoint/resumeTraining.ts'
import { storedName } from '../checkpoint/trainingState.ts'
import { isModelFolder, openModelFolder } from './modelFolder.ts'
import { type TrainedWeights, trainedCheckpoint } from './trainedCheckpoint.ts'

/** The folders of a training's run folder. */
export const runFolders = { checkpoints: 'checkpoints', model: 'model' } as const

/** Which values of the weights are meant: those in training, or their moving averages, or these where there are any. */
export type TrainedKind = 'weight' | 'average' | 'averageOrWeight'

/** A model that was opened, and what is to be told of it. */
export interface Opened {
  readonly checkpoint: Checkpoint
  readonly notes: readonly string[]
}

/**
 * Opens a model: the newest whole checkpoint of a stage's folder, or of a training's with one stage, one of its checkpoints, or as
 * `openCheckpoint`. All values of a training checkpoint are compared with their sums first. Refuses `checkpoints_damaged`,
 * `file_malformed`, and `option_invalid` where a folder has several stages, or `average` is asked for and there are none.
 */
export function openTrained(path: string, kind: TrainedKind): Opened {
  const stage = stageOf(path)
  if (stage !== undefined) {
    const checkpoints = join(stage, runFolders.checkpoints)
    const newest = newestWhole(checkpoints)
    if (!newest) fail('file_missing', { path: checkpoints, cause: 'no checkpoint is in it' })
    return { checkpoint: openOne(newest.path, kind), notes: newest.passedOver }
  }
  return { checkpoint: isTraining(path) ? openVerified(path, kind) : openPlain(path, kind), notes: [] }
}

/** The folder of a stage that a path means; undefined where it is none of a training. */
function stageOf(path: string): string | undefined {
  if (isStage(path) || !isFolder(path)) return isStage(path) ? path : undefined
  const stages = readdirSync(path)
    .filter((name) => isStage(join(path, name)))
    .toSorted()
  const [only, ...others] = stages
  if (others.length > 0) {
    const accepted = `the folder of one of its stages: ${stages.join(', ')}`
    fail('option_invalid', { option: 'MODEL', found: path, accepted })
  }
  return only === undefined ? undefined : join(path, only)
}

const isStage = (path: string) => isModelFolder(join(path, runFolders.model))

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

/** The weights of a checkpoint, or the averages of those that have one. */
function weightsOf(training: TrainingCheckpoint, kind: TrainedKind): TrainedWeights {
  const begin = storedName({ kind: 'weight', name: '' })
  const weights = [...training.tensors.keys()].filter((name) => name.startsWith(begin))
  const names = weights.map((name) => name.slice(begin.length))
  const averageOf = (name: string) => storedName({ kind: 'average', name })
  const averages = names.filter((name) => training.tensors.has(averageOf(name)))
  if (kind === 'average' && averages.length === 0) {
    const accepted = 'a checkpoint of a training that keeps averages'
    fail('option_invalid', { option: '--average', found: training.path, accepted })
  }
  const averaged = new Set(kind === 'weight' ? [] : averages)
  return {
    names: new Set(names),
    valuesOf(name) {
      const record = training.tensors.get(averaged.has(name) ? averageOf(name) : begin + name)!
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
