import { defineKernel } from '../kernel.ts'

/** Into how many sums the squares of a tensor go, whatever the number of parts. */
export const squareChunks = 64

/** sums[0, c] = Σ x² over chunk c of the elements: elements / chunks of them, rounded up to whole cache lines. */
export const squaresForward = defineKernel({
  name: 'squares_fwd_f32',
  family: 'gradient',
  dims: ['elements', 'chunks'],
  attributes: {},
  buffers: {
    x: { dtype: 'f32', access: 'read', shape: [1, 'elements'] },
    sums: { dtype: 'f32', access: 'write', shape: [1, 'chunks'] },
  },
  inPlace: [],
  split: { items: ['chunks'], own: ['sums'] },
  flops: ({ elements }) => 2 * elements,
})

/** norm = sqrt(Σ sums), added in double, in order. NaN and infinity come through. */
export const rootOfSumForward = defineKernel({
  name: 'rootOfSum_fwd_f32',
  family: 'gradient',
  dims: ['chunks'],
  attributes: {},
  buffers: {
    sums: { dtype: 'f32', access: 'read', shape: [1, 'chunks'] },
    norm: { dtype: 'f32', access: 'write', shape: [1, 1] },
  },
  inPlace: [],
  split: { items: [], own: [] },
  flops: ({ chunks }) => chunks,
})

/** clip = min(1, most / (norm + 1e-6)); -1, which tells updates to change nothing, where norm is no finite number. */
export const clipForward = defineKernel({
  name: 'clip_fwd_f32',
  family: 'gradient',
  dims: [],
  attributes: { most: 'double' },
  buffers: {
    norm: { dtype: 'f32', access: 'read', shape: [1, 1] },
    clip: { dtype: 'f32', access: 'write', shape: [1, 1] },
  },
  inPlace: [],
  split: { items: [], own: [] },
  flops: () => 3,
})

/** y = x / (sqrt(Σ sums) + eps). Elements are divided by blocks of 256. */
export const unitNormForward = defineKernel({
  name: 'unitNorm_fwd_f32',
  family: 'gradient',
  dims: ['elements', 'chunks'],
  attributes: { eps: 'double' },
  buffers: {
    x: { dtype: 'f32', access: 'read', shape: [1, 'elements'] },
    sums: { dtype: 'f32', access: 'read', shape: [1, 'chunks'] },
    y: { dtype: 'f32', access: 'write', shape: [1, 'elements'] },
  },
  inPlace: [['y', 'x']],
  split: { items: [{ dim: 'elements', each: 256 }], own: ['x', 'y'] },
  flops: ({ elements }) => elements,
})
