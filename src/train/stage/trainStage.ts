import { join } from 'node:path'
import { fail } from '../../base/errors.ts'
import { resumeTraining } from '../checkpoint/resumeTraining.ts'
import { saveCheckpoint } from '../checkpoint/saveCheckpoint.ts'
import type { TrainingFacts, TrainingTensor } from '../checkpoint/trainingState.ts'
import type { DataSet } from '../data/dataSet.ts'
import type { Trainer } from '../program/trainer.ts'
import { stepRates } from '../rates.ts'
import { rateFactor } from '../schedules.ts'
import { EventFile } from '../watch/eventFile.ts'
import { MetricsFile } from '../watch/metricsFile.ts'
import { SpikeDetector, type SpikeState } from '../watch/spikeDetector.ts'
import { type Evaluation, evaluate } from './evaluate.ts'
import { giveBatch } from './giveBatch.ts'
import type { StageSettings } from './stageSettings.ts'

/** What a stage is told of each step, for whoever watches. */
export interface StepReport {
  /** Updates done. */
  readonly step: number
  /** Mean loss of the step's targets before its update, in nats. */
  readonly loss: number
  readonly rate: number
  /** Of all gradients together, where the program computes it. */
  readonly norm?: number
  /** Tokens of the step. */
  readonly tokens: number
  readonly seconds: number
  readonly validation?: Evaluation
}

export interface StageOptions {
  readonly trainer: Trainer
  readonly data: DataSet
  readonly settings: StageSettings
  /** What outlives a step; `weight`s have their first values. */
  readonly tensors: readonly TrainingTensor[]
  /** Where checkpoints and metrics.jsonl lie. */
  readonly folder: string
  /** Whether TensorBoard's event files are written beside metrics.jsonl, in `events`. */
  readonly tensorboard?: boolean
  /** Facts of checkpoints that the steps do not change. */
  readonly facts: Pick<TrainingFacts, 'config' | 'template' | 'sizes'>
  readonly onStep?: (report: StepReport) => void | Promise<void>
  /** Called with messages for whoever watches: where it went on, which checkpoints are damaged. */
  readonly onNote?: (note: string) => void
  /** Aborted: the step is finished, a checkpoint written, and the stage ends. */
  readonly signal?: AbortSignal
}

/** How a stage ended. */
export interface StageResult {
  readonly step: number
  /** Whether all steps are done; else it was told to stop. */
  readonly isComplete: boolean
  readonly validation: Evaluation | undefined
}

/**
 * Trains from the newest checkpoint of the folder, or from the first step, to the last. A stage that was stopped or killed and
 * is called again with the same settings ends with the bits of one that never was. Refuses `training_diverged` where a loss or a
 * norm of gradients is no finite number, or the loss jumps; the last checkpoint is there then.
 */
export async function trainStage(options: StageOptions): Promise<StageResult> {
  const { trainer, data, settings, tensors, folder, onNote, signal } = options
  const { size, accumulate, steps, seed } = settings
  const checkpoints = join(folder, 'checkpoints')
  const sizes = { batch: size.batch, tokens: size.length }
  const batches = data.batches({ ...sizes, seed })
  const held = data.batches({ ...sizes, part: 'validation', order: 'sequential' })
  const resumed = resumeTraining(checkpoints, tensors, options.facts.template)
  for (const sentence of resumed?.passedOver ?? []) onNote?.(`passed over: ${sentence}`)
  if (resumed) checkSame(resumed.path, resumed.value, options)
  let { step, tokens } = resumed?.value ?? { step: 0, tokens: 0 }
  if (resumed) onNote?.(`goes on behind step ${step} of ${resumed.path}`)
  const spikes = settings.spikes && new SpikeDetector(settings.spikes, spikeStateOf(resumed?.value))
  const metrics = MetricsFile.open(join(folder, 'metrics.jsonl'), step)
  const events = options.tensorboard ? new EventFile(join(folder, 'events'), step) : undefined
  const save = () => {
    metrics.sync()
    const loop = spikes ? { losses: [...spikes.state.losses] } : {}
    const facts = { ...options.facts, step, tokens, loop, seeds: { data: String(seed) } }
    saveCheckpoint(checkpoints, { ...facts, data: batches.stateAt(step * accumulate) }, tensors, settings.checkpoint)
  }
  let validation: Evaluation | undefined
  try {
    while (step < steps && !signal?.aborted) {
      const begin = performance.now()
      const done = await runStep(trainer, settings, batches, step)
      if (!Number.isFinite(done.loss) || !Number.isFinite(done.norm ?? 0)) refuseNonFinite(step + 1, done)
      const spike = spikes?.observe(done.loss)
      if (spike) {
        const what = `the loss is ${done.loss.toFixed(4)}, and its median is ${spike.median.toFixed(4)}`
        fail('training_diverged', { step: step + 1, what })
      }
      const seconds = (performance.now() - begin) / 1000
      step++
      tokens += done.tokens
      const { evaluate: validating, checkpoint } = settings
      const isLast = step === steps
      const isDue = validating && (isLast || step % validating.every === 0)
      if (isDue) validation = await evaluate(trainer, held, validating.batches)
      const told = { step, ...done, seconds }
      metrics.append({ ...told, ...(isDue ? { validationLoss: validation!.loss } : {}) })
      events?.tell(step, { scalars: scalarsOf(told, isDue ? validation : undefined) })
      await options.onStep?.({ ...told, ...(isDue ? { validation: validation! } : {}) })
      if (isLast || step % checkpoint.every === 0) save()
    }
    if (signal?.aborted && step < steps && step % settings.checkpoint.every !== 0) save()
  } finally {
    metrics.close()
    events?.close()
  }
  return { step, isComplete: step === steps, validation }
}

/** One update: the gradients of `accumulate` batches, and what they do to the weights. */
async function runStep(
  trainer: Trainer,
  settings: StageSettings,
  batches: ReturnType<DataSet['batches']>,
  step: number,
): Promise<Pick<StepReport, 'loss' | 'norm' | 'rate' | 'tokens'>> {
  const { accumulate, update, schedule } = settings
  const rate = settings.rate * rateFactor(schedule, step)
  trainer.values('rates').set(stepRates(update.optimizer, step + 1, rate))
  const parts = Array.from({ length: accumulate }, (_, i) => batches.batchAt(step * accumulate + i))
  const total = parts.reduce((sum, { targetCount }) => sum + targetCount, 0)
  let loss = 0
  for (const [i, batch] of parts.entries()) {
    giveBatch(trainer, batch, total)
    await trainer.run(accumulate === 1 ? 'train' : i === 0 ? 'gradients' : 'accumulate')
    loss += trainer.values('loss')[0]!
  }
  if (accumulate > 1) await trainer.run('update')
  const tokens = parts.reduce((sum, { tokenCount }) => sum + tokenCount, 0)
  return { loss, rate, ...(trainer.has('norm') ? { norm: trainer.values('norm')[0]! } : {}), tokens }
}

/** What TensorBoard shows of a step. */
function scalarsOf(
  { loss, norm, rate, tokens, seconds }: Omit<StepReport, 'validation'>,
  validation: Evaluation | undefined,
): { readonly [tag: string]: number } {
  return {
    'loss/train': loss,
    ...(validation ? { 'loss/validation': validation.loss } : {}),
    ...(norm === undefined ? {} : { 'optimizer/norm': norm }),
    'optimizer/rate': rate,
    'speed/tokens per second': tokens / seconds,
  }
}

function refuseNonFinite(step: number, { loss, norm }: Pick<StepReport, 'loss' | 'norm'>): never {
  const what = Number.isFinite(loss) ? `the norm of the gradients is ${norm}` : `the loss is ${loss}`
  return fail('training_diverged', { step, what })
}

/** Refuses a checkpoint of another config. */
function checkSame(path: string, facts: TrainingFacts, { facts: own, settings }: StageOptions): void {
  if (facts.config !== own.config)
    fail('checkpoint_other', {
      path,
      what: `it follows the config ${facts.config.slice(0, 12)}`,
      accepted: `${own.config.slice(0, 12)}, or another folder`,
    })
  if (facts.step > settings.steps)
    fail('checkpoint_other', { path, what: `it is of step ${facts.step}`, accepted: `at most ${settings.steps} steps` })
}

function spikeStateOf(facts: TrainingFacts | undefined): SpikeState {
  const { losses } = facts?.loop ?? {}
  return { losses: Array.isArray(losses) ? losses.map(Number) : [] }
}
