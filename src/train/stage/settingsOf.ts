import { availableParallelism } from 'node:os'
import type { TrainedWeight } from '../../passes/trainedWeights.ts'
import type { ParameterGroup, UpdateSettings } from '../../passes/updateSettings.ts'
import type { ScheduleConfig, StageConfig } from '../config/trainConfig.ts'
import type { Schedule } from '../schedules.ts'
import type { StageSettings } from './stageSettings.ts'

/** How the weights of a stage are updated. */
export function updateOf({ optimizer, decay, groups, clip, ema }: StageConfig): UpdateSettings {
  return {
    optimizer,
    group: (weight) => groupOf(weight, decay, groups),
    // Steps whose gradients are no numbers are seen in their norm.
    norm: true,
    ...(clip === undefined ? {} : { clip }),
    ...(ema === undefined ? {} : { average: ema }),
  }
}

/** The settings of a stage over data of which an epoch has `batches` micro-batches. */
export function settingsOf(stage: StageConfig, batchesPerEpoch: number): StageSettings {
  const { batch, length, accumulate, duration, schedule, seed, checkpoint, evaluate, spikes } = stage
  const steps =
    'steps' in duration ? duration.steps : Math.max(1, Math.ceil((duration.epochs * batchesPerEpoch) / accumulate))
  const often = (every: number) => (every === 0 ? steps : every)
  return {
    ...{ steps, size: { batch, length }, accumulate, update: updateOf(stage) },
    ...{ rate: schedule.rate, schedule: scheduleOf(schedule, steps), seed },
    threads: stage.threads ?? Math.min(availableParallelism(), 64),
    checkpoint: { every: often(checkpoint.every), keep: checkpoint.keep },
    ...(evaluate ? { evaluate: { every: often(evaluate.every), batches: evaluate.batches } } : {}),
    ...(spikes ? { spikes } : {}),
  }
}

function groupOf({ name, role }: TrainedWeight, decay: number, groups: StageConfig['groups']): ParameterGroup {
  const found = groups.findLast(({ weights }) => weights.some((pattern) => pattern === role || matches(pattern, name)))
  return { decay: found?.decay ?? decay, rate: found?.rate ?? 1 }
}

/** Whether a name is that of a pattern, whose `*` stand for anything. */
function matches(pattern: string, name: string): boolean {
  const parts = pattern.split('*').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
  return new RegExp(`^${parts.join('.*')}$`).test(name)
}

function scheduleOf({ kind, warmup, final, decay, shape }: ScheduleConfig, steps: number): Schedule {
  if (kind === 'constant') return { kind, warmup }
  if (kind !== 'wsd') return { kind, warmup, steps, final }
  return { kind, warmup, steps, final, shape, decay: decay < 1 ? Math.round(decay * steps) : decay }
}
