import { fail } from '../../base/errors.ts'
import type { Checkpoint } from '../../formats/checkpoint.ts'
import { type Model, readModel } from '../../templates/readModel.ts'
import type { DataSet } from '../data/dataSet.ts'
import { openTrained, type TrainedKind } from '../export/openTrained.ts'

/** Where a stage begins: what has the weights, and its model for rows of a length. */
export interface OpenBase {
  readonly checkpoint: Checkpoint
  readonly model: Model
  /** Closes what was opened. */
  close(): void
}

export interface OpenBaseOptions {
  readonly length: number
  /** Of the weights of a training; default: those in training. */
  readonly kind?: TrainedKind
  onNote(note: string): void
}

/**
 * Opens what a stage begins with, a path or an open checkpoint, for rows of `length` tokens of `data`. Refuses as `openTrained`, ids
 * beyond the vocabulary, and `context_exceeded`.
 */
export function openBase(
  base: string | Checkpoint,
  data: DataSet,
  { length, kind = 'weight', onNote }: OpenBaseOptions,
): OpenBase {
  const { checkpoint, notes } = typeof base === 'string' ? openTrained(base, kind) : { checkpoint: base, notes: [] }
  const close = () => {
    if (checkpoint !== base) checkpoint.close()
  }
  try {
    for (const note of notes) onNote(`passed over: ${note}`)
    const model = readModel(checkpoint, length)
    const { vocabulary, context } = model.sizes
    data.requireVocabulary(vocabulary)
    if (length > context) fail('context_exceeded', { tokens: length, context })
    return { checkpoint, model, close }
  } catch (error) {
    close()
    throw error
  }
}
