import { defineOp } from '../ir/op.ts'
import { mapTensor } from '../ir/tensor.ts'
import { clipForward } from '../kernels/gradient/gradient.kernel.ts'
import { denseRow } from './shapes.ts'

/**
 * clip [1, 1] = min(1, most / (norm + 1e-6)): what gradients of this norm are multiplied by so that it is at most `most`, as
 * torch.nn.utils.clip_grad_norm_ does. -1 where the norm is no finite number: updates leave everything as it is then.
 */
export const clipScale = defineOp({
  name: 'clipScale',
  inputs: { norm: ['f32'] },
  outputs: ['clip'],
  infer({ norm }, { most }: { most: number }, refuse) {
    if (norm.shape.join() !== '1,1') refuse(`norm is [${norm.shape}]; accepted: [1,1]`)
    if (!(most > 0 && Number.isFinite(most))) refuse(`most is ${most}; accepted: a finite number above 0`)
    return { clip: norm }
  },
  reference({ norm }, { most }) {
    return { clip: mapTensor(norm, (value) => (Number.isFinite(value) ? Math.min(1, most / (value + 1e-6)) : -1)) }
  },
  lower({ norm }, { clip }, { most }, to) {
    to.call(clipForward, { most, norm, clip })
  },
  tolerance: { relative: 1 },
  samples: () =>
    [0.25, 3, Number.NaN, Number.POSITIVE_INFINITY].map((norm) => ({
      inputs: { norm: { dtype: 'f32', shape: [1, 1], values: [norm - 1] } },
      attributes: { most: 1 },
    })),
  refusals: [
    { inputs: { norm: denseRow([1, 2]) }, attributes: { most: 1 }, says: 'norm is [1,2]; accepted: [1,1]' },
    { inputs: { norm: denseRow([1, 1]) }, attributes: { most: 0 }, says: 'most is 0' },
  ],
})
