import type { BatchSize } from '../../passes/bindSizes.ts'
import type { UpdateSettings } from '../../passes/updateSettings.ts'
import type { Schedule } from '../schedules.ts'
import type { SpikeOptions } from '../watch/spikeDetector.ts'

/** What a stage of training does, every choice made. */
export interface StageSettings {
  /** Updates of the whole stage. */
  readonly steps: number
  /** Of one batch; a step takes `accumulate` of them. */
  readonly size: BatchSize
  readonly accumulate: number
  readonly update: UpdateSettings
  /** The largest learning rate, and how it goes over the steps. */
  readonly rate: number
  readonly schedule: Schedule
  /** Of the order of the data. */
  readonly seed: number
  readonly threads: number
  /** Validation: every so many steps and behind the last, over at most so many batches; absent: none. */
  readonly evaluate?: { readonly every: number; readonly batches: number }
  /** Checkpoints: every so many steps and behind the last, and how many are kept. */
  readonly checkpoint: { readonly every: number; readonly keep: number }
  /** Stops where the loss jumps; absent: goes on. */
  readonly spikes?: SpikeOptions
}
