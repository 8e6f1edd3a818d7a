import type { Optimizer } from '../../base/optimizers.ts'
import { configDefaults } from './configDefaults.ts'
import type { WrittenStage, WrittenTrain } from './configSchema.ts'
import { bytesOf } from './leaves.ts'
import type { ConfigPath } from './readConfigFile.ts'
import type { DataConfig, GroupConfig, ScheduleConfig, StageConfig } from './trainConfig.ts'

/** Refuses what contradicts something else, at a path of the file. */
export type RefuseAt = (path: ConfigPath, what: string, accepted: string) => never

const d = configDefaults

/** What each optimizer and each schedule has settings of. */
const optimizerKeys = {
  adamw: ['betas', 'eps'],
  sgd: ['momentum', 'nesterov'],
  lion: ['betas'],
  muon: ['betas', 'eps', 'momentum', 'nesterov', 'othersRate', 'scale'],
} as const
const scheduleKeys = {
  constant: [],
  linear: ['final'],
  cosine: ['final'],
  wsd: ['final', 'decay', 'shape'],
} as const

/**
 * A stage with all that `train` says of every stage. `index`: its place in `stages`; undefined: it is `train` itself.
 * `data`: what it learns.
 */
export function resolveStage(
  train: WrittenTrain,
  stage: Omit<WrittenStage, 'data'>,
  index: number | undefined,
  data: DataConfig,
  refuse: RefuseAt,
): StageConfig {
  const own: WrittenTrain = stage
  const at = (key: keyof WrittenTrain, ...inner: string[]): ConfigPath =>
    index !== undefined && own[key] !== undefined ? ['stages', index, key, ...inner] : ['train', key, ...inner]
  if (stage.average !== undefined) {
    refuse(['stages', index!, 'average'], "'average' says nothing to a stage that trains", 'it with task: evaluate')
  }
  const { steps: _steps, epochs: _epochs, ...common } = train
  const isTimed = own.steps !== undefined || own.epochs !== undefined
  const merged: WrittenTrain = { ...(isTimed ? common : train), ...own }
  const { steps, epochs } = merged
  if (steps !== undefined && epochs !== undefined)
    refuse(at('epochs'), "both 'steps' and 'epochs' are given", 'one of them')
  if (steps === undefined && epochs === undefined) {
    const where = index === undefined ? ['train'] : ['stages', index]
    refuse(where, `${index === undefined ? 'train' : `stage '${stage.name}'`} has no end`, "'steps' or 'epochs'")
  }
  const written = merging(train.optimizer, own.optimizer, d.optimizer.name, optimizerKeys)
  const optimizer = resolveOptimizer(written, (key) => at('optimizer', key), refuse)
  const groups = written.groups ?? d.optimizer.groups
  const schedule = resolveSchedule(
    merging(train.schedule, own.schedule, d.schedule.name, scheduleKeys),
    steps,
    (key) => at('schedule', key),
    refuse,
  )
  const evaluated = { ...d.evaluate, ...train.evaluate, ...own.evaluate }
  const isValidated = data.kind === 'prepared' || data.options.validation > 0
  if (!isValidated && merged.evaluate) {
    refuse(at('evaluate'), "'evaluate' has no data, because 'validation' is 0", "a share above 0, or no 'evaluate'")
  }
  const clip = merged.clip ?? d.train.clip
  const { ema, memory, threads } = merged
  const sample = merged.sample && { ...d.sample, ...train.sample, ...own.sample }
  const spikes = merged.spikes && { ...d.spikes, ...train.spikes, ...own.spikes }
  return {
    task: 'train',
    name: stage.name,
    data,
    duration: steps === undefined ? { epochs: epochs! } : { steps },
    batch: merged.batch ?? d.train.batch,
    length: merged.length ?? d.train.length,
    accumulate: merged.accumulate ?? d.train.accumulate,
    optimizer,
    decay: written.decay ?? d.optimizer.decay,
    groups: groups.map((group): GroupConfig => ({ rate: 1, ...group })),
    schedule,
    ...(clip > 0 ? { clip } : {}),
    ...(ema === undefined ? {} : { ema }),
    seed: merged.seed ?? d.train.seed,
    precision: merged.precision ?? d.train.precision,
    ...(memory === undefined ? {} : { memory: bytesOf(memory) }),
    ...(threads === undefined ? {} : { threads }),
    checkpoint: { ...d.checkpoint, ...train.checkpoint, ...own.checkpoint },
    ...(isValidated ? { evaluate: evaluated } : {}),
    ...(sample ? { sample } : {}),
    ...(spikes ? { spikes } : {}),
    metrics: { ...d.metrics, ...train.metrics, ...own.metrics },
  }
}

/** Settings of all stages with a stage's own over them; where it names another kind, what the kinds differ in is left out. */
function merging<T extends { readonly name?: string }>(
  common: T | undefined,
  own: T | undefined,
  usual: string,
  keysOf: Readonly<Record<string, readonly string[]>>,
): Partial<T> {
  const isOther = own?.name !== undefined && own.name !== (common?.name ?? usual)
  const special = Object.values(keysOf).flat()
  const kept = Object.entries(common ?? {}).filter(([key]) => !(isOther && special.includes(key)))
  return { ...Object.fromEntries(kept), ...own } as Partial<T>
}

function resolveOptimizer(
  written: Partial<NonNullable<WrittenTrain['optimizer']>>,
  at: (key: string) => ConfigPath,
  refuse: RefuseAt,
): Optimizer {
  const name = written.name ?? d.optimizer.name
  refuseForeign(written, optimizerKeys, name, 'optimizer', at, refuse)
  switch (name) {
    case 'adamw': {
      const { betas, eps } = { ...d.optimizers.adamw, ...written }
      return { kind: 'adamW', beta1: betas[0], beta2: betas[1], eps }
    }
    case 'sgd': {
      const { momentum, nesterov } = { ...d.optimizers.sgd, ...written }
      if (nesterov && momentum === 0) refuse(at('nesterov'), "'nesterov' needs a momentum", "a 'momentum' above 0")
      return { kind: 'sgd', momentum, nesterov }
    }
    case 'lion': {
      const { betas } = { ...d.optimizers.lion, ...written }
      return { kind: 'lion', beta1: betas[0], beta2: betas[1] }
    }
    case 'muon': {
      const { betas, eps, momentum, nesterov, scale, othersRate } = { ...d.optimizers.muon, ...written }
      return {
        kind: 'muon',
        momentum,
        nesterov,
        scale,
        others: { beta1: betas[0], beta2: betas[1], eps, rate: othersRate },
      }
    }
    default:
      return name satisfies never
  }
}

function resolveSchedule(
  written: Partial<NonNullable<WrittenTrain['schedule']>>,
  steps: number | undefined,
  at: (key: string) => ConfigPath,
  refuse: RefuseAt,
): ScheduleConfig {
  const { name, rate, warmup } = { ...d.schedule, ...written }
  refuseForeign(written, scheduleKeys, name, 'schedule', at, refuse)
  const own: { final?: number; decay?: number; shape?: ScheduleConfig['shape'] } = { ...d.schedules[name], ...written }
  const { final = 0, decay = 0, shape = 'linear' } = own
  if (steps !== undefined && warmup > steps) {
    refuse(at('warmup'), `'warmup' is ${warmup} and 'steps' is ${steps}`, `a warm-up of at most ${steps} steps`)
  }
  const down = decay < 1 ? Math.round(decay * (steps ?? 0)) : decay
  if (steps !== undefined && warmup + down > steps) {
    const what = `'warmup' and 'decay' together have ${warmup + down} steps and 'steps' is ${steps}`
    refuse(at('decay'), what, `at most ${steps} steps of both`)
  }
  if (decay > 1 && !Number.isInteger(decay))
    refuse(at('decay'), `'decay' is ${decay}`, 'a share below 1, or whole steps')
  return { kind: name, rate, warmup, final, decay, shape }
}

/** Refuses settings that belong to another kind. */
function refuseForeign<K extends string>(
  written: Readonly<Record<string, unknown>>,
  keysOf: { readonly [N in K]: readonly string[] },
  name: K,
  what: string,
  at: (key: string) => ConfigPath,
  refuse: RefuseAt,
): void {
  const all = Object.values<readonly string[]>(keysOf).flat()
  const foreign = Object.keys(written).find((key) => all.includes(key) && !keysOf[name].includes(key))
  if (foreign === undefined) return
  const owners = Object.entries<readonly string[]>(keysOf).filter(([, keys]) => keys.includes(foreign))
  refuse(
    at(foreign),
    `'${foreign}' says nothing to the ${what} '${name}'`,
    `it with ${owners.map(([own]) => own).join(', ')}`,
  )
}
