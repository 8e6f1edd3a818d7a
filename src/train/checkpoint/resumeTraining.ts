import { CkError, fail } from '../../base/errors.ts'
import { listCheckpoints } from './checkpointFolder.ts'
import { openTraining, type TrainingCheckpoint } from './openTraining.ts'
import type { TrainingFacts, TrainingTensor } from './trainingState.ts'

/** A checkpoint that was used, and the newer ones that are damaged. */
export interface Newest<T> {
  readonly path: string
  readonly value: T
  /** Why each newer one was passed over, newest first; to be told to whoever looks. */
  readonly passedOver: readonly string[]
}

/**
 * Fills the memory of a training with the newest whole checkpoint of a folder and gives its facts; undefined where the folder
 * has none. Refuses `checkpoint_other`, and `checkpoints_damaged` where none is whole.
 */
export function resumeTraining(
  folder: string,
  tensors: readonly TrainingTensor[],
  template: string,
): Newest<TrainingFacts> | undefined {
  return newestOf(folder, (checkpoint) => {
    checkpoint.restore(tensors, template)
    return checkpoint.facts
  })
}

/** The path of the newest checkpoint of a folder whose bytes are all as written. Refuses `checkpoints_damaged`. */
export function newestWhole(folder: string): Newest<TrainingFacts> | undefined {
  return newestOf(folder, (checkpoint) => {
    checkpoint.verify()
    return checkpoint.facts
  })
}

/**
 * Whether the newest whole checkpoint of a folder is of this step and this config; values are only read of one whose header says
 * so. Refuses `checkpoints_damaged`.
 */
export function isTrained(folder: string, { step, config }: Pick<TrainingFacts, 'step' | 'config'>): boolean {
  const newest = newestOf(folder, (checkpoint) => {
    const isMeant = checkpoint.facts.step === step && checkpoint.facts.config === config
    if (isMeant) checkpoint.verify()
    return isMeant
  })
  return newest?.value ?? false
}

/** What `use` makes of the newest checkpoint that it and its header accept. */
function newestOf<T>(folder: string, use: (checkpoint: TrainingCheckpoint) => T): Newest<T> | undefined {
  const found = listCheckpoints(folder)
  const passedOver: string[] = []
  for (const { path, step } of found) {
    try {
      return { path, value: using(path, step, use), passedOver }
    } catch (error) {
      if (!(error instanceof CkError) || error.code !== 'file_malformed') throw error
      passedOver.push(error.message)
    }
  }
  const [newest] = passedOver
  if (newest === undefined) return undefined
  return fail('checkpoints_damaged', { path: folder, count: found.length, newest })
}

function using<T>(path: string, step: number, use: (checkpoint: TrainingCheckpoint) => T): T {
  const checkpoint = openTraining(path)
  try {
    const { facts } = checkpoint
    // A copy under another name would let a training go on from another step than its folder says.
    if (facts.step !== step)
      fail('file_malformed', { path, what: `the file is of step ${facts.step}`, accepted: 'the step in its name' })
    return use(checkpoint)
  } finally {
    checkpoint.close()
  }
}
