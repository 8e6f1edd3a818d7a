import type { NoAttributes } from '../ir/graph.ts'
import { defineOp } from '../ir/op.ts'
import { mapTensor } from '../ir/tensor.ts'
import { accumulateForward } from '../kernels/update/update.kernel.ts'
import { denseRow, widthFrom } from './shapes.ts'

/** next = sum + x: a gradient that grows from micro-batch to micro-batch. */
export const accumulate = defineOp({
  name: 'accumulate',
  inputs: { sum: ['f32'], x: ['f32'] },
  outputs: ['next'],
  advances: { next: 'sum' },
  infer({ sum, x }, _attributes: NoAttributes, refuse) {
    if (sum.shape.join() !== x.shape.join()) refuse(`sum is [${sum.shape}] and x is [${x.shape}]; they must be equal`)
    return { next: sum }
  },
  reference({ sum, x }) {
    return { next: mapTensor(sum, (value, i) => value + x.data[i]!) }
  },
  lower({ sum, x }, { next }, _attributes, to) {
    to.advance(next, sum)
    to.call(accumulateForward, { elements: widthFrom(sum.type, 0), x, sum: next })
  },
  tolerance: { relative: 0.5 },
  samples: (lanes) =>
    [[1], [3, lanes - 1], [7, 2 * lanes + 1], [5, 256]].map((shape) => ({
      inputs: { sum: { dtype: 'f32', shape }, x: { dtype: 'f32', shape } },
      attributes: {},
    })),
  refusals: [{ inputs: { sum: denseRow([3]), x: denseRow([4]) }, attributes: {}, says: 'they must be equal' }],
})
