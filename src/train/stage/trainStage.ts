import { join } from 'node:path'
import { fail } from '../../base/errors.ts'
import { resumeTraining } from '../checkpoint/resumeTraining.ts'
import { saveCheckpoint } from '../checkpoint/saveCheckpoint.ts'
import type { TrainingFacts, TrainingTensor } from '../checkpoint/trainingState.ts'
import type { Batches, DataSet } from '../data/dataSet.ts'
import type { Trainer } from '../program/trainer.ts'
import { stepRates } from '../rates.ts'
import { rateFactor } from '../schedules.ts'
import { EventFile } from '../watch/eventFile.ts'
import { MetricsFile } from '../watch/metricsFile.ts'
import { SpikeDetector, type SpikeState } from '../watch/spikeDetector.ts'
import { type Evaluation, evaluate } from './evaluate.ts'
import { giveBatch } from './giveBatch.ts'
import type { StageSettings } from './stageSettings.ts'
import { type OpenTrace, whatDiverged } from './whatDiverged.ts'

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
  /** Gives the step with a place for every value, so that the op can be named that first made no finite number. */
  readonly openTrace?: () => Promise<OpenTrace>
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
 * norm of gradients is no finite number, with the op that began it where the step has not changed the weights (it clips, or it
 * accumulates and the loss says so), or the loss jumps; the last checkpoint is there then.
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
  await trainer.refresh()
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
      if (!isFiniteStep(done)) await refuseNonFinite(step, done, options, batches)
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
  batches: Batches,
  step: number,
): Promise<Pick<StepReport, 'loss' | 'norm' | 'rate' | 'tokens'>> {
  const { accumulate, update, schedule } = settings
  const rate = settings.rate * rateFactor(schedule, step)
  trainer.values('rates').set(stepRates(update.optimizer, step + 1, rate))
  const { parts, total } = partsOf(batches, accumulate, step)
  let loss = 0
  for (const [i, batch] of parts.entries()) {
    giveBatch(trainer, batch, total)
    await trainer.run(accumulate === 1 ? 'train' : i === 0 ? 'gradients' : 'accumulate')
    loss += trainer.values('loss')[0]!
  }
  const tokens = parts.reduce((sum, { tokenCount }) => sum + tokenCount, 0)
  if (accumulate > 1) {
    if (!Number.isFinite(loss)) return { loss, rate, tokens }
    await trainer.run('update')
  }
  return { loss, rate, ...(trainer.has('norm') ? { norm: trainer.values('norm')[0]! } : {}), tokens }
}

/** The micro-batches of a step, and their targets. */
function partsOf(batches: Batches, accumulate: number, step: number) {
  const parts = Array.from({ length: accumulate }, (_, i) => batches.batchAt(step * accumulate + i))
  return { parts, total: parts.reduce((sum, { targetCount }) => sum + targetCount, 0) }
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

type Outcome = Pick<StepReport, 'loss' | 'norm'>

function isFiniteStep({ loss, norm = 0 }: Outcome): boolean {
  return Number.isFinite(loss) && Number.isFinite(norm)
}

/** Refuses what step `step`, counted from 0, came to. */
async function refuseNonFinite(
  step: number,
  { loss, norm }: Outcome,
  { trainer, settings: { accumulate, update }, openTrace }: StageOptions,
  batches: Batches,
): Promise<never> {
  // Updates change nothing by gradients whose norm is not finite where they clip, and are not run behind such a loss.
  const isUntouched = update.clip !== undefined || (accumulate > 1 && !Number.isFinite(loss))
  const found = { trainer, loss, norm, isUntouched, openTrace }
  const what = await whatDiverged({ ...found, ...partsOf(batches, accumulate, step) })
  return fail('training_diverged', { step: step + 1, what })
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
