import { CkError } from '../base/errors.ts'
import type { Checkpoint } from '../formats/checkpoint.ts'
import type { Tensor } from '../ir/tensor.ts'
import type { Gradients } from '../parity/interpretGradients.ts'
import type { Model } from '../templates/readModel.ts'
import type { Trainer } from '../train/program/trainer.ts'
import type { Io } from './command.ts'
import { type TrainerOptions, withTrainer } from './withTrainer.ts'

/**
 * The loss of sequences and its gradients in f32 by the compiled training program, by the checkpoint's own tensor names;
 * by the interpreter, with a note, where there is no C compiler and f32 is asked for. Refuses as `compileTraining` and `interpretGradients`.
 */
export async function compiledGradients(
  checkpoint: Checkpoint,
  model: Model,
  batch: readonly (readonly number[])[],
  options: Omit<TrainerOptions, 'trace'>,
  io: Io,
): Promise<Gradients> {
  try {
    return await withTrainer({ checkpoint, model }, batch, options, io, async ({ trainer, training }) => {
      await trainer.run('gradients')
      return readGradients(trainer, checkpoint, model, training.trainable)
    })
  } catch (error) {
    const isMissing = error instanceof CkError && error.code === 'compiler_missing'
    if (!isMissing || options.precision === 'bf16') throw error
    io.note('ck: there is no C compiler, so the gradients are computed in float64 by the interpreter, which is slow')
    const { interpretGradients } = await import('../parity/interpretGradients.ts')
    return interpretGradients(checkpoint, model, batch)
  }
}

/** What `gradients` of a trainer has written, as the checkpoint has the weights. */
export async function readGradients(
  trainer: Trainer,
  checkpoint: Checkpoint,
  model: Model,
  trainable: readonly string[],
): Promise<Gradients> {
  const { tensor } = await import('../ir/tensor.ts')
  const { storedGradients } = await import('../parity/storedGradients.ts')
  const { gradientName } = await import('../passes/differentiate.ts')
  const types = new Map(model.graph.weights.map(({ name, type }) => [name, type]))
  const gradients = trainable.map((weight): [string, Tensor] => {
    const shape = types.get(weight)!.shape.map(Number)
    const count = shape.reduce((product, dim) => product * dim, 1)
    const values = trainer.values(gradientName(weight)).subarray(0, count)
    return [weight, tensor(shape, Float64Array.from(values))]
  })
  const [loss = Number.NaN] = trainer.values('loss')
  return { loss, tensors: storedGradients(checkpoint, model, new Map(gradients)) }
}
