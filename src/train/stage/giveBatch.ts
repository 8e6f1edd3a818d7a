import type { Batch } from '../data/dataSet.ts'
import type { Trainer } from '../program/trainer.ts'

/** Gives a trainer the ids of a batch, and `total`, the targets by whose number losses and gradients are divided. */
export function giveBatch(trainer: Trainer, batch: Batch, total: number): void {
  const give = (name: string, values: Int32Array) => {
    if (trainer.has(name)) trainer.ids(name).set(values)
  }
  give('ids', batch.ids)
  give('targets', batch.targets)
  give('positions', batch.positions)
  // Of the whole batch, where the data count within their row.
  give(
    'starts',
    batch.starts.map((start, i) => start + batch.tokens * Math.floor(i / batch.tokens)),
  )
  trainer.values('total')[0] = total
}
