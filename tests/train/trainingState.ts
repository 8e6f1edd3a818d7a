import type { TrainingFacts, TrainingTensor } from '../../src/train/checkpoint/trainingState.ts'
import { seededRandom } from '../fuzz/random.ts'

/** Facts of a small training behind `step` updates. */
export const factsAt = (step: number): TrainingFacts => ({
  step,
  data: { seed: 7, epoch: 1, step },
  seeds: { dropout: '18446744073709551615' },
  tokens: 128 * step,
  config: 'ab'.repeat(32),
  template: 'qwen3',
  sizes: { layers: 1, dim: 4 },
  loop: { bestLoss: 2.5 },
})

/** Tensors of a small training, their values drawn by `seed`. */
export function tensorsOf(seed: number): readonly TrainingTensor[] {
  const random = seededRandom(seed)
  const floats = (count: number) => Float32Array.from({ length: count }, () => random.below(2 ** 24) / 2 ** 23 - 1)
  return [
    { kind: 'weight', name: 'token_embd.weight', shape: [6, 4], data: floats(24) },
    { kind: 'weight', name: 'blk.0.attn_norm.weight', shape: [4], data: floats(4) },
    { kind: 'optimizer', name: 'token_embd.weight.mean', shape: [6, 4], data: floats(24) },
    {
      kind: 'optimizer',
      name: 'token_embd.weight.square',
      shape: [6, 4],
      data: Uint16Array.from(floats(24), (x) => 9e3 * x),
    },
    { kind: 'average', name: 'token_embd.weight', shape: [6, 4], data: floats(24) },
  ]
}

/** The same tensors, of zeros. */
export function emptied(tensors: readonly TrainingTensor[]): readonly TrainingTensor[] {
  return tensors.map((tensor) => {
    const { data } = tensor
    return {
      ...tensor,
      data: data instanceof Float32Array ? new Float32Array(data.length) : new Uint16Array(data.length),
    }
  })
}
