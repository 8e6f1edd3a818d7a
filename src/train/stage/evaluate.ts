import type { Batches } from '../data/dataSet.ts'
import type { Trainer } from '../program/trainer.ts'
import { giveBatch } from './giveBatch.ts'

/** The mean loss of some targets, in nats. */
export interface Evaluation {
  readonly loss: number
  readonly targets: number
}

/** The mean loss of the targets of at most `most` batches, which are read in their order; of fewer where `signal` is aborted. */
export async function evaluate(
  trainer: Trainer,
  batches: Batches,
  most: number,
  signal?: AbortSignal,
): Promise<Evaluation> {
  let [sum, targets] = [0, 0]
  for (let at = 0; at < Math.min(most, batches.batchesPerEpoch) && !signal?.aborted; at++) {
    const batch = batches.batchAt(at)
    if (batch.targetCount === 0) continue
    giveBatch(trainer, batch, batch.targetCount)
    await trainer.run('evaluate')
    sum += trainer.values('loss')[0]! * batch.targetCount
    targets += batch.targetCount
  }
  return { loss: targets > 0 ? sum / targets : Number.NaN, targets }
}
