import { rmSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import type { Precision } from '../base/precisions.ts'
import type { Checkpoint } from '../formats/checkpoint.ts'
import type { Tensor } from '../ir/tensor.ts'
import type { Model } from '../templates/readModel.ts'
import type { CompiledTraining } from '../train/program/compileTraining.ts'
import type { Trainer } from '../train/program/trainer.ts'
import type { Io } from './command.ts'
import { given } from './given.ts'
import { buildsFolder, placeBeside } from './keptBuilds.ts'

/** A training program with the weights of a checkpoint and the inputs of a batch. */
export interface OpenTrainer {
  readonly trainer: Trainer
  readonly training: CompiledTraining
}

/** How such a program is made; `trace`: with a place for every value. `precision`: default f32. */
export interface TrainerOptions {
  readonly trace?: true
  readonly precision?: Precision
  readonly target?: string
  readonly threads?: number
}

/**
 * Compiles the gradients of a model for these sequences of one length, in a folder of its own that is removed after `use`. The
 * objects of kernels stay in the cache.
 */
export async function withTrainer<T>(
  { checkpoint, model }: { readonly checkpoint: Checkpoint; readonly model: Model },
  batch: readonly (readonly number[])[],
  { trace, precision, target, threads = Math.min(availableParallelism(), 64) }: TrainerOptions,
  io: Io,
  use: (opened: OpenTrainer) => Promise<T>,
): Promise<T> {
  const { requireText } = await import('../parity/interpretGradients.ts')
  const { stepInputs } = await import('../parity/stepInputs.ts')
  const { compileTraining } = await import('../train/program/compileTraining.ts')
  const { loadWeights } = await import('../train/program/loadWeights.ts')
  const { Trainer } = await import('../train/program/trainer.ts')
  requireText(checkpoint, model)
  const out = placeBeside(join(buildsFolder(), 'gradients'))
  try {
    const onProgress = (done: number) => io.progress.show('compile', done)
    const size = { batch: batch.length, length: batch[0]!.length }
    const settings = { size, out, signal: io.signal, onProgress, ...given({ target, trace, precision }) }
    const training = await compileTraining(model, checkpoint.name, settings)
    io.progress.end()
    const trainer = Trainer.open(out, { threads })
    try {
      loadWeights(trainer, checkpoint, model)
      await trainer.refresh()
      giveInputs(trainer, stepInputs(batch))
      return await use({ trainer, training })
    } finally {
      await trainer.close()
    }
  } finally {
    io.progress.end()
    rmSync(out, { recursive: true, force: true })
  }
}

/** Gives a trainer those of the inputs that its programs read. */
function giveInputs(trainer: Trainer, inputs: { readonly [input: string]: Tensor }): void {
  for (const [name, { data }] of Object.entries(inputs)) {
    if (!trainer.has(name)) continue
    if (name === 'total') trainer.values(name).set(data)
    else trainer.ids(name).set(Int32Array.from(data))
  }
}
