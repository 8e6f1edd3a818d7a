import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { makeFolder } from '../../base/makeFolder.ts'
import { orRefuseWrite } from '../../base/orRefuseWrite.ts'
import type { Checkpoint } from '../../formats/checkpoint.ts'
import { writeBeside } from '../../formats/writeBeside.ts'
import type { EvaluationConfig } from '../config/trainConfig.ts'
import { isOfTexts } from '../data/dataInfo.ts'
import type { DataSet } from '../data/dataSet.ts'
import { compileTraining } from '../program/compileTraining.ts'
import { loadWeights } from '../program/loadWeights.ts'
import { Trainer } from '../program/trainer.ts'
import { type Evaluation, evaluate } from '../stage/evaluate.ts'
import { openBase } from './openBase.ts'

/** What a model's weights are worth on some data. */
export interface Judgement extends Evaluation {
  /** Of the data, and what all their targets together cost; absent where ids were given, or only parts of texts are learnt. */
  readonly bytes?: number
  readonly bitsPerByte?: number
}

export interface JudgeOptions {
  /** The folder of the stage. */
  readonly folder: string
  readonly threads?: number
  readonly target?: string
  readonly signal: AbortSignal
  onNote(note: string): void
}

/**
 * The loss of a model on all validation data of a set, or on all of it where there are none, in rows without overlap. It is the one
 * line of `metrics.jsonl` in the folder too, which is written anew each time. Undefined where the signal is aborted first. Refuses
 * as `openBase` and `compileTraining`, and `write_failed`.
 */
export async function judgeModel(
  { batch, length, average, ...stage }: EvaluationConfig,
  base: string | Checkpoint,
  data: DataSet,
  { folder, threads = stage.threads, target, signal, onNote }: JudgeOptions,
): Promise<Judgement | undefined> {
  const { checkpoint, model, close } = openBase(base, data, {
    length,
    kind: average ? 'averageOrWeight' : 'weight',
    onNote,
  })
  try {
    const part = data.info.validation.tokens > 0 ? 'validation' : 'train'
    const batches = data.batches({ part, batch, tokens: length, order: 'sequential' })
    orRefuseWrite(folder, () => makeFolder(folder))
    const program = await compileTraining(model, checkpoint.name, {
      ...{ size: { batch, length }, onlyEvaluates: true, out: join(folder, 'program'), signal },
      ...(target ? { target } : {}),
    })
    const trainer = Trainer.open(program.dir, { threads: threads ?? Math.min(availableParallelism(), 64) })
    try {
      loadWeights(trainer, checkpoint, model)
      const { loss, targets } = await evaluate(trainer, batches, batches.batchesPerEpoch, signal)
      if (signal.aborted) return undefined
      const { bytes } = data.info[part]
      const isWhole = isOfTexts(data.info) && !data.part(part).header.hasLossBits
      const found = { loss, targets, ...(isWhole ? { bytes, bitsPerByte: (loss * targets) / Math.LN2 / bytes } : {}) }
      const { loss: validationLoss, ...others } = found
      const line = `${JSON.stringify({ validationLoss, ...others })}\n`
      writeBeside(join(folder, 'metrics.jsonl'), (file) => file.append(Buffer.from(line)))
      return found
    } finally {
      await trainer.close()
    }
  } finally {
    close()
  }
}
