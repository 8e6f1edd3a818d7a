import type { Optimizer } from '../../base/optimizers.ts'
import type { Precision } from '../../base/precisions.ts'
import type { DataOptions } from '../data/dataInfo.ts'
import type { ModelInit } from '../freshModel.ts'
import type { ModelShape } from '../init/freshSizes.ts'
import type { SpikeOptions } from '../watch/spikeDetector.ts'

/** A config in which every key has its value and paths are absolute. */
export interface TrainConfig {
  readonly name: string
  readonly model: ModelConfig
  /** Absent: that of the checkpoint, or none. */
  readonly tokenizer?: TokenizerConfig
  /** In their order; each goes on from the weights of the last one that trains before it. */
  readonly stages: readonly (StageConfig | EvaluationConfig)[]
  readonly export?: ExportConfig
}

export type ModelConfig =
  | { readonly kind: 'checkpoint'; readonly path: string }
  | {
      readonly kind: 'fresh'
      readonly template: string
      /** Without `vocab` the tokenizer's vocabulary counts. */
      readonly shape: Omit<ModelShape, 'vocab'> & { readonly vocab?: number }
      readonly init: ModelInit
    }

export type TokenizerConfig =
  | { readonly kind: 'path'; readonly path: string }
  | {
      readonly kind: 'train'
      readonly files: readonly string[]
      readonly vocabulary: number
      readonly split: string
      readonly special: readonly string[]
      /** The one of them that begins texts. */
      readonly bos?: string
      readonly minFrequency: number
    }

export type DataConfig =
  | { readonly kind: 'prepared'; readonly path: string }
  | {
      readonly kind: 'files'
      readonly files: readonly string[]
      /** A file with a chat template. */
      readonly template?: string
      readonly options: DataOptions
    }

/** A stage that changes no weight: the loss on all of its validation data, or on all data where there are none. */
export interface EvaluationConfig extends Pick<StageConfig, 'name' | 'data' | 'batch' | 'length' | 'threads'> {
  readonly task: 'evaluate'
  /** Of the moving average of the weights, where one is kept. */
  readonly average: boolean
}

/** One stage of training. */
export interface StageConfig {
  readonly task: 'train'
  readonly name: string
  readonly data: DataConfig
  readonly duration: { readonly steps: number } | { readonly epochs: number }
  /** Rows of a micro-batch, tokens of a row, micro-batches of a step. */
  readonly batch: number
  readonly length: number
  readonly accumulate: number
  readonly optimizer: Optimizer
  readonly decay: number
  readonly groups: readonly GroupConfig[]
  readonly schedule: ScheduleConfig
  /** The largest norm of all gradients; absent: they are not clipped. */
  readonly clip?: number
  /** The share of the last average in a moving average of the weights; absent: none is kept. */
  readonly ema?: number
  readonly seed: number
  /** What is kept of a step and what products read is stored in. */
  readonly precision: Precision
  /** The most bytes of the whole training; absent: as many as are needed. */
  readonly memory?: number
  /** Absent: the cores. */
  readonly threads?: number
  /** Steps between two, 0: at the end only; files that are kept. */
  readonly checkpoint: { readonly every: number; readonly keep: number }
  /** Absent: there is no validation data. */
  readonly evaluate?: { readonly every: number; readonly batches: number }
  readonly sample?: SampleConfig
  readonly spikes?: SpikeOptions
  readonly metrics: { readonly tensorboard: boolean }
}

/** Weights that are updated otherwise; of several groups that match the last counts. */
export interface GroupConfig {
  /** Roles (embedding, head, matrix, vector, other) or patterns of names with `*`. */
  readonly weights: readonly string[]
  /** Absent: the stage's. */
  readonly decay?: number
  /** Factor of the learning rate. */
  readonly rate: number
}

/** The learning rate over the steps, whose number may follow from the data. */
export interface ScheduleConfig {
  readonly kind: 'constant' | 'linear' | 'cosine' | 'wsd'
  /** The peak. */
  readonly rate: number
  readonly warmup: number
  /** The last rate as a part of the peak. */
  readonly final: number
  /** Of `wsd`: steps that lead down, or below 1 their share of all. */
  readonly decay: number
  readonly shape: 'linear' | 'cosine' | 'root'
}

export interface SampleConfig {
  readonly every: number
  readonly prompts: readonly string[]
  readonly tokens: number
  readonly temperature: number
}

export interface ExportConfig {
  /** Formats of GGUF files. */
  readonly gguf: readonly string[]
  readonly transformers: boolean
  /** The moving average of the weights, where one is kept. */
  readonly average: boolean
}
