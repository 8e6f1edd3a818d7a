import { optimizerDefaults } from '../../base/optimizers.ts'
import { usualDataOptions } from '../data/prepareData.ts'

const { adamW, sgd, lion, muon } = optimizerDefaults

/** What every key of a training means where it is left out. The schema and the loader both read it here. */
export const configDefaults = {
  init: { method: 'normal', seed: 1 },
  tokenizer: { split: 'qwen2', special: ['<|endoftext|>'], minFrequency: 0 },
  data: usualDataOptions,
  task: 'train',
  train: {
    batch: 8,
    length: 256,
    accumulate: 1,
    clip: 1,
    seed: 1,
    precision: 'f32',
  },
  optimizer: { name: 'adamw', decay: 0.1, groups: [{ weights: ['vector'], decay: 0 }] },
  /** By the optimizer's name. */
  optimizers: {
    adamw: { betas: [adamW.beta1, adamW.beta2], eps: adamW.eps },
    sgd: { momentum: sgd.momentum, nesterov: sgd.nesterov },
    lion: { betas: [lion.beta1, lion.beta2] },
    muon: {
      momentum: muon.momentum,
      nesterov: muon.nesterov,
      scale: muon.scale,
      betas: [muon.others.beta1, muon.others.beta2],
      eps: muon.others.eps,
      othersRate: muon.others.rate,
    },
  },
  schedule: { name: 'cosine', rate: 1e-3, warmup: 0 },
  /** By the schedule's name; `final` is a part of the rate. */
  schedules: {
    constant: {},
    linear: { final: 0 },
    cosine: { final: 0.1 },
    wsd: { final: 0, decay: 0.2, shape: 'linear' },
  },
  checkpoint: { every: 500, keep: 3 },
  evaluate: { every: 250, batches: 16 },
  sample: { every: 500, prompts: [''], tokens: 64, temperature: 0.8 },
  spikes: { factor: 3, window: 64 },
  metrics: { tensorboard: false },
} as const
