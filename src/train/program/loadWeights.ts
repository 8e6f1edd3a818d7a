import type { Checkpoint } from '../../formats/checkpoint.ts'
import type { Model } from '../../templates/readModel.ts'
import { readRows } from '../../templates/weightRows.ts'
import { rowsAndColsOf } from '../../templates/weightSource.ts'
import type { Trainer } from './trainer.ts'

/** Bytes that are read at once. */
const pieceBytes = 2 ** 24

/** Gives a trainer the weights of a checkpoint, as f32. */
export function loadWeights(trainer: Trainer, checkpoint: Checkpoint, model: Model): void {
  for (const { name } of model.graph.weights) {
    if (!trainer.has(name)) continue
    const source = model.sources.get(name)!
    const { rows, cols } = rowsAndColsOf(source)
    const into = trainer.values(name)
    const step = Math.max(1, Math.floor(pieceBytes / (4 * cols)))
    for (let row = 0; row < rows; row += step) {
      const bytes = readRows(checkpoint, name, source, 'f32', row, Math.min(step, rows - row))
      into.set(new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4), row * cols)
    }
  }
}
