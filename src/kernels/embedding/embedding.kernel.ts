import type { WeightDtype } from '../../base/dtypes.ts'
import { defineKernel } from '../kernel.ts'

function embedding<W extends WeightDtype>(dtype: W) {
  return defineKernel({
    name: `embedding_fwd_${dtype}`,
    family: 'embedding',
    dims: ['tokens', 'rows', 'cols'],
    attributes: {},
    buffers: {
      ids: { dtype: 'i32', access: 'read', shape: ['tokens'] },
      w: { dtype, access: 'read', shape: ['rows', 'cols'], layout: 'panels' },
      y: { dtype: 'f32', access: 'write', shape: ['tokens', 'cols'] },
    },
    inPlace: [],
    split: { items: ['tokens'], own: ['y', 'ids'] },
    flops: () => 0,
  })
}

/** y[t] = w[ids[t]], exact. Ids must be in 0 .. rows - 1. */
export const embeddingForward = {
  f32: embedding('f32'),
  f16: embedding('f16'),
  bf16: embedding('bf16'),
  q8_0: embedding('q8_0'),
  q4_0: embedding('q4_0'),
} as const satisfies Record<WeightDtype, unknown>
