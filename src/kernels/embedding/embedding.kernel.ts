import type { WeightDtype } from '../../base/dtypes.ts'
import { defineKernel } from '../kernel.ts'

function embedding<W extends WeightDtype>(dtype: W) {
  return defineKernel({
    name: `embedding_fwd_${dtype}`,
    family: 'embedding',
    dtype,
    dims: ['tokens', 'rows', 'cols'],
    attributes: {},
    buffers: {
      ids: { dtype: 'i32', access: 'read', shape: ['tokens'] },
      w: { dtype, access: 'read', shape: ['rows', 'cols'], layout: 'panels', touched: 'tokens' },
      y: { dtype: 'f32', access: 'write', shape: ['tokens', 'cols'] },
    },
    inPlace: [],
    split: { items: ['tokens'], own: ['y', 'ids'] },
    flops: () => 0,
  })
}

/** y[t] = w[ids[t]]: exact, or rounded once where the format has offsets. Ids must be in 0 .. rows - 1. */
export const embeddingForward = {
  f32: embedding('f32'),
  f16: embedding('f16'),
  bf16: embedding('bf16'),
  q8_0: embedding('q8_0'),
  q4_0: embedding('q4_0'),
  q4_1: embedding('q4_1'),
  q5_0: embedding('q5_0'),
  q5_1: embedding('q5_1'),
  q2_K: embedding('q2_K'),
  q3_K: embedding('q3_K'),
  q4_K: embedding('q4_K'),
  q5_K: embedding('q5_K'),
  q6_K: embedding('q6_K'),
  iq4_nl: embedding('iq4_nl'),
  iq4_xs: embedding('iq4_xs'),
  mxfp4: embedding('mxfp4'),
} as const satisfies Record<WeightDtype, unknown>
