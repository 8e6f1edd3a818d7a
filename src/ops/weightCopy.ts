import { roundToBfloat16 } from '../base/halfFloats.ts'
import type { NoAttributes } from '../ir/graph.ts'
import { defineOp } from '../ir/op.ts'
import { mapTensor } from '../ir/tensor.ts'
import { weightCopyForward } from '../kernels/update/update.kernel.ts'
import { denseRow, widthFrom } from './shapes.ts'

/** next = weight, rounded to the nearest bf16, ties to even: what products read of a weight whose updates are f32. */
export const weightCopy = defineOp({
  name: 'weightCopy',
  inputs: { weight: ['f32'], copy: ['bf16'] },
  outputs: ['next'],
  advances: { next: 'copy' },
  infer({ weight, copy }, _attributes: NoAttributes, refuse) {
    if (copy.shape.join() !== weight.shape.join())
      refuse(`copy is [${copy.shape}] and weight is [${weight.shape}]; they must be equal`)
    return { next: copy }
  },
  reference({ weight }) {
    return { next: mapTensor(weight, roundToBfloat16) }
  },
  lower({ weight, copy }, { next }, _attributes, to) {
    to.advance(next, copy)
    to.call(weightCopyForward, { elements: widthFrom(next.type, 0), weight, copy: next })
  },
  tolerance: { relative: 0 },
  samples: (lanes) =>
    [[1], [3, lanes - 1], [7, 2 * lanes + 1], [5, 256]].map((shape) => ({
      inputs: { weight: { dtype: 'f32', shape }, copy: { dtype: 'bf16', shape } },
      attributes: {},
    })),
  refusals: [
    {
      inputs: { weight: denseRow([3, 4]), copy: { dtype: 'bf16', shape: [4, 3] } },
      attributes: {},
      says: 'copy is [4,3] and weight is [3,4]',
    },
  ],
})
