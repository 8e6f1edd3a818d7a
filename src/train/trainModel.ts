import { resolve } from 'node:path'
import type { Checkpoint } from '../formats/checkpoint.ts'
import type { WrittenConfig, WrittenData } from './config/configSchema.ts'
import { hashConfig } from './config/hashConfig.ts'
import { parseTrainConfig } from './config/loadTrainConfig.ts'
import { openTrained } from './export/openTrained.ts'
import { trainingPlaces } from './pipeline/runFolder.ts'
import { runTraining } from './pipeline/runTraining.ts'
import type { Evaluation } from './stage/evaluate.ts'
import type { StepReport } from './stage/trainStage.ts'

/** How a model is trained: the keys of `train` of a config (docs/training.md), and where. */
export type TrainOptions = NonNullable<WrittenConfig['train']> & {
  /** A folder that `ck data prepare` wrote, or the keys of `data` of a config. */
  readonly data: string | WrittenData
  /** The folder of the training; called again with the same options it goes on from there. */
  readonly out: string
  readonly signal?: AbortSignal
  readonly onStep?: (report: StepReport) => void
  readonly onNote?: (note: string) => void
}

/** A model that was trained. */
export interface TrainedModel {
  readonly step: number
  /** Whether all steps are done; else the signal ended it behind a step. */
  readonly isComplete: boolean
  /** On the validation data, where there are any. */
  readonly validation: Evaluation | undefined
  /** The run folder of the training: `ck export` takes it. */
  readonly dir: string
  /** The model with its newest weights, for `compile`; to be closed. */
  open(): Checkpoint
}

/**
 * Trains a model, the path of one or an open one, in one stage called `train`. Refuses what a config may not say as the
 * loader does, and as `runTraining`.
 *
 * @example
 * const trained = await trainModel(models.qwen3Tiny({ vocab: 2048 }), { data: 'data', out: 'run', steps: 100, batch: 8, length: 64 })
 * await compile(trained.open(), { out: 'run/model' })
 */
export async function trainModel(
  model: string | Checkpoint,
  { data, out, signal, onStep, onNote, ...train }: TrainOptions,
): Promise<TrainedModel> {
  const path = typeof model === 'string' ? resolve(model) : model.path
  const given = typeof data === 'string' ? { prepared: resolve(data) } : data
  const text = JSON.stringify({ name: 'train', model: { checkpoint: path }, data: given, train })
  const config = parseTrainConfig('options.json', text)
  const { stages, isComplete } = await runTraining(config, hashConfig(config, '.'), {
    out,
    ...(typeof model === 'string' ? {} : { base: model }),
    signal: signal ?? new AbortController().signal,
    watch: {
      onNote: (note) => onNote?.(note),
      onStep: (_stage, report) => onStep?.(report),
    },
  })
  const [only] = stages
  const dir = trainingPlaces(out).stage('train')
  return {
    step: only?.result.step ?? 0,
    isComplete,
    validation: only?.result.validation,
    dir,
    open: () => openTrained(dir, 'weight').checkpoint,
  }
}
