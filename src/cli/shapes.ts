import { type DecoderConfig, plainPattern, plainScales, uncapped } from '../templates/decoder/decoderConfig.ts'
import type { Qwen35Config } from '../templates/hybrid/qwen35Config.ts'
import type { Llama3Scaling } from '../templates/rope/ropeDivisors.ts'
import { plainRope } from '../templates/rope/ropeScaling.ts'

/** A published model without its weights. */
export interface Shape {
  readonly family: 'llama' | 'qwen3' | 'qwen35'
  /** How its tokenizer cuts text, by the name in `tokenizer.ggml.pre`. */
  readonly split: string
  /** Of divisors that the file stores: what they are. */
  readonly scaling?: Llama3Scaling
  readonly config: DecoderConfig | Qwen35Config
}

const qwen3 = {
  vocabulary: 151936,
  context: 40960,
  kvHeads: 8,
  headDim: 128,
  eps: 1e-6,
  tied: true,
  ropes: [plainRope('split', 64, 1e6)],
  scales: plainScales(128),
  biases: [],
  fused: [],
  softCaps: uncapped,
  activation: 'silu',
} as const

const rows = {
  'qwen3-0.6b': {
    family: 'qwen3',
    split: 'qwen2',
    config: { ...qwen3, layers: 28, pattern: plainPattern(28), dim: 1024, ffn: 3072, heads: 16 },
  },
  'qwen3-4b': {
    family: 'qwen3',
    split: 'qwen2',
    config: { ...qwen3, layers: 36, pattern: plainPattern(36), dim: 2560, ffn: 9728, heads: 32 },
  },
  'qwen3.5-0.8b': {
    family: 'qwen35',
    split: 'qwen2',
    config: {
      vocabulary: 248320,
      context: 262144,
      layers: 24,
      pattern: Array.from({ length: 24 }, (_, i) => ({ window: 0, rope: i % 4 === 3 ? 0 : 'none' })),
      dim: 1024,
      ffn: 3584,
      heads: 8,
      kvHeads: 2,
      headDim: 256,
      eps: 1e-6,
      tied: true,
      ropes: [plainRope('split', 32, 1e7)],
      scales: plainScales(256),
      biases: [],
      fused: [],
      softCaps: uncapped,
      activation: 'silu',
      delta: { keyHeads: 16, valueHeads: 16, keyWidth: 128, valueWidth: 128, taps: 4, order: 'tiled' },
      prefix: '',
      extraLayers: 0,
    },
  },
  'llama-3.2-1b': {
    family: 'llama',
    split: 'llama-bpe',
    scaling: { factor: 32, low: 1, high: 4, original: 8192 },
    config: {
      vocabulary: 128256,
      context: 131072,
      layers: 16,
      dim: 2048,
      ffn: 8192,
      heads: 32,
      kvHeads: 8,
      headDim: 64,
      eps: 1e-5,
      tied: true,
      ropes: [{ ...plainRope('pairwise', 32, 500000), divisors: [{ name: 'rope_freqs.weight', isUsed: true }] }],
      pattern: plainPattern(16),
      scales: plainScales(64),
      biases: [],
      fused: [],
      softCaps: uncapped,
      activation: 'silu',
    },
  },
  /** Of no publication: small enough for tests. */
  tiny: {
    family: 'qwen3',
    split: 'qwen2',
    config: {
      vocabulary: 512,
      context: 256,
      layers: 2,
      dim: 64,
      ffn: 128,
      heads: 4,
      kvHeads: 2,
      headDim: 32,
      eps: 1e-6,
      tied: false,
      ropes: [plainRope('split', 16, 1e6)],
      pattern: plainPattern(2),
      scales: plainScales(32),
      biases: [],
      fused: [],
      softCaps: uncapped,
      activation: 'silu',
    },
  },
} as const satisfies Record<string, Shape>

export type ShapeName = keyof typeof rows

/** The shapes of `ck synth`, from the models' published configurations. */
export const shapes: { readonly [S in ShapeName]: Shape } = rows
export const shapeNames = Object.keys(rows) as readonly ShapeName[]
