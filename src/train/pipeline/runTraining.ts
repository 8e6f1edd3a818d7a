import { availableParallelism } from 'node:os'
import { fail } from '../../base/errors.ts'
import { makeFolder } from '../../base/makeFolder.ts'
import { orRefuseWrite } from '../../base/orRefuseWrite.ts'
import type { Checkpoint } from '../../formats/checkpoint.ts'
import { isTrained } from '../checkpoint/resumeTraining.ts'
import type { TrainingTensor } from '../checkpoint/trainingState.ts'
import type { ConfigHash } from '../config/hashConfig.ts'
import type { StageConfig, TrainConfig } from '../config/trainConfig.ts'
import { saveModelFolder } from '../export/modelFolder.ts'
import { runFolders } from '../export/openTrained.ts'
import { trainedCheckpoint } from '../export/trainedCheckpoint.ts'
import { type CompiledTraining, compileTraining } from '../program/compileTraining.ts'
import { loadWeights } from '../program/loadWeights.ts'
import { Trainer } from '../program/trainer.ts'
import { settingsOf, updateOf } from '../stage/settingsOf.ts'
import type { StageSettings } from '../stage/stageSettings.ts'
import { keptStates, trainingTensors } from '../stage/trainingTensors.ts'
import { type StageResult, type StepReport, trainStage } from '../stage/trainStage.ts'
import { exportTrained } from './exportTrained.ts'
import { type Judgement, judgeModel } from './judgeModel.ts'
import { openBase } from './openBase.ts'
import { openTrace } from './openTrace.ts'
import { prepareModel, type TokenizerSource } from './prepareModel.ts'
import { prepareStageData } from './prepareStageData.ts'
import { openTrainingFolder, trainingPlaces } from './runFolder.ts'

/** Who watches a training. */
export interface TrainingWatch {
  onNote(note: string): void
  /** A stage begins: what it does, and operations of one of its steps. */
  onStage?(stage: StageConfig, settings: StageSettings, program: CompiledTraining): void
  onStep?(stage: StageConfig, report: StepReport): void
  /** Writes texts of the model as it stands. */
  sample?(stage: StageConfig, model: Checkpoint): Promise<void>
}

export interface RunTrainingOptions {
  /** The folder of the training. */
  readonly out: string
  /** An open model to begin with, in place of that of the config; it stays open. */
  readonly base?: Checkpoint
  /** The stages to run; absent: all. */
  readonly stages?: readonly string[]
  /** In place of those of the config. */
  readonly threads?: number
  readonly memory?: number
  readonly target?: string
  /** Whether every call is watched (CompileTrainingOptions). */
  readonly debug?: boolean
  /** Aborted: the step is finished and a checkpoint written; before the first step, nothing is. */
  readonly signal: AbortSignal
  readonly watch: TrainingWatch
}

/** How a training ended. */
export interface TrainingResult {
  /** Whether every stage that was asked for has done all its steps. */
  readonly isComplete: boolean
  readonly stages: readonly { readonly name: string; readonly result: StageResult }[]
  /** Of the stages that only evaluate. */
  readonly judgements: readonly { readonly name: string; readonly judgement: Judgement }[]
  /** The files and folders that were exported. */
  readonly exported: readonly string[]
}

/**
 * Does what a config says, stage by stage, in the folder `out`: what is there already stays, so that the same call goes on where an
 * earlier one was stopped or killed, and ends with the same bits. Refuses as its parts; the checkpoints that were written stay.
 */
export async function runTraining(
  config: TrainConfig,
  hash: ConfigHash,
  options: RunTrainingOptions,
): Promise<TrainingResult> {
  const { out, signal, watch } = options
  const known = config.stages.map(({ name }) => name)
  for (const name of options.stages ?? [])
    if (!known.includes(name)) fail('option_invalid', { option: '--stage', found: name, accepted: known.join(', ') })
  openTrainingFolder(out, hash)
  const { onNote } = watch
  const threads = options.threads ?? Math.min(availableParallelism(), 64)
  const prepared = options.base ? { path: options.base } : await prepareModel(config, out, { threads, signal, onNote })
  const places = trainingPlaces(out)
  const results: { name: string; result: StageResult }[] = []
  const tokenizer = 'tokenizer' in prepared ? prepared.tokenizer : askedTokenizer(config)
  let base: string | Checkpoint = prepared.path
  const judgements: { name: string; judgement: Judgement }[] = []
  for (const stage of config.stages) {
    if (!options.stages || options.stages.includes(stage.name)) {
      const data = await prepareStageData(stage, out, tokenizer, { signal, onNote })
      try {
        let isComplete: boolean
        if (stage.task === 'train') {
          const result = await runStage(stage, base, data, hash.sha256, options)
          results.push({ name: stage.name, result })
          isComplete = result.isComplete
        } else {
          const judgement = await judgeModel(stage, base, data, {
            ...options,
            folder: places.stage(stage.name),
            onNote,
          })
          if (judgement) judgements.push({ name: stage.name, judgement })
          isComplete = judgement !== undefined
        }
        if (!isComplete) return { isComplete, stages: results, judgements, exported: [] }
      } finally {
        data.close()
      }
    }
    if (stage.task === 'train') base = places.stage(stage.name)
  }
  const last = config.stages.findLast((stage): stage is StageConfig => stage.task === 'train')
  const isWhole = !options.stages || (last !== undefined && options.stages.includes(last.name))
  const exported = isWhole ? await exportTrained(config, base, options) : []
  return { isComplete: true, stages: results, judgements, exported }
}

async function runStage(
  stage: StageConfig,
  base: string | Checkpoint,
  data: Awaited<ReturnType<typeof prepareStageData>>,
  config: string,
  { out, threads, memory = stage.memory, target, debug = false, signal, watch }: RunTrainingOptions,
): Promise<StageResult> {
  const folder = trainingPlaces(out).stage(stage.name)
  const onNote = (note: string) => watch.onNote(note)
  const { checkpoint, model, close } = openBase(base, data, { length: stage.length, onNote })
  const { vocabulary, context } = model.sizes
  try {
    const size = { batch: stage.batch, tokens: stage.length, seed: stage.seed }
    const settings = settingsOf(
      threads === undefined ? stage : { ...stage, threads },
      data.batches(size).batchesPerEpoch,
    )
    if (isTrained(`${folder}/${runFolders.checkpoints}`, { step: settings.steps, config })) {
      watch.onNote(`stage ${stage.name}: all ${settings.steps} steps are done`)
      return { step: settings.steps, isComplete: true, validation: undefined }
    }
    orRefuseWrite(folder, () => makeFolder(folder))
    const program = await compileTraining(model, checkpoint.name, {
      ...{ size: settings.size, update: updateOf(stage), accumulates: settings.accumulate > 1 },
      ...{ precision: stage.precision, debug, signal },
      ...{ out: `${folder}/program`, ...(memory === undefined ? {} : { memory }), ...(target ? { target } : {}) },
    })
    const trainer = Trainer.open(program.dir, { threads: settings.threads })
    try {
      loadWeights(trainer, checkpoint, model)
      // Tables that follow from the config are made again with every model.
      const isStored = (weight: string) => model.sources.get(weight)?.from === 'tensor'
      const states = keptStates(program.graph, program.trainable, updateOf(stage))
      const tensors = trainingTensors(
        trainer,
        states.filter(({ kind, name }) => kind !== 'weight' || isStored(name)),
      )
      beginAverages(tensors)
      const stored = new Set(tensors.filter(({ kind }) => kind === 'weight').map(({ name }) => name))
      saveModelFolder(`${folder}/${runFolders.model}`, checkpoint, stored)
      watch.onStage?.(stage, settings, program)
      const sample = async ({ step }: StepReport) => {
        if (!stage.sample || !watch.sample) return
        if (step !== settings.steps && (stage.sample.every === 0 || step % stage.sample.every !== 0)) return
        const valuesOf = (name: string) => trainer.values(name)
        await watch.sample(stage, trainedCheckpoint(checkpoint, { names: stored, valuesOf }))
      }
      return await trainStage({
        ...{ trainer, data, settings, tensors, folder, signal, onNote },
        tensorboard: stage.metrics.tensorboard,
        openTrace: () =>
          openTrace(model, {
            ...{ size: settings.size, out: `${folder}/trace`, threads: settings.threads, precision: stage.precision },
            ...(target ? { target } : {}),
          }),
        facts: { config, template: model.template, sizes: { vocabulary, context } },
        onStep: async (report) => {
          watch.onStep?.(stage, report)
          await sample(report)
        },
      })
    } finally {
      await trainer.close()
    }
  } finally {
    close()
  }
}

function askedTokenizer({ tokenizer }: TrainConfig): TokenizerSource | undefined {
  return tokenizer?.kind === 'path' ? { path: tokenizer.path, isOfModel: false } : undefined
}

/** An average begins as its weight. */
function beginAverages(tensors: readonly TrainingTensor[]): void {
  const weights = new Map(tensors.flatMap(({ kind, name, data }) => (kind === 'weight' ? [[name, data]] : [])))
  for (const { kind, name, data } of tensors) if (kind === 'average') data.set(weights.get(name)!)
}
