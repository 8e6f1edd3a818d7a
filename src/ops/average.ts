import { defineOp } from '../ir/op.ts'
import { mapTensor } from '../ir/tensor.ts'
import { averageForward } from '../kernels/update/update.kernel.ts'
import { denseRow, widthFrom } from './shapes.ts'
import { checkShare } from './weightUpdate.ts'

/** next = decay · average + (1 - decay) · weight: the exponential moving average of a weight over the steps. */
export const average = defineOp({
  name: 'average',
  inputs: { average: ['f32'], weight: ['f32'] },
  outputs: ['next'],
  advances: { next: 'average' },
  infer(inputs, { decay }: { decay: number }, refuse) {
    if (inputs.average.shape.join() !== inputs.weight.shape.join())
      refuse(`average is [${inputs.average.shape}] and weight is [${inputs.weight.shape}]; they must be equal`)
    checkShare('decay', decay, refuse)
    return { next: inputs.average }
  },
  reference(inputs, { decay }) {
    return { next: mapTensor(inputs.average, (value, i) => decay * value + (1 - decay) * inputs.weight.data[i]!) }
  },
  lower(inputs, { next }, { decay }, to) {
    to.advance(next, inputs.average)
    to.call(averageForward, { elements: widthFrom(next.type, 0), decay, weight: inputs.weight, average: next })
  },
  tolerance: { relative: 2 },
  samples: (lanes) =>
    [[1], [3, lanes - 1], [7, 2 * lanes + 1], [5, 256]].map((shape) => ({
      inputs: { average: { dtype: 'f32', shape }, weight: { dtype: 'f32', shape } },
      attributes: { decay: 0.98 },
    })),
  refusals: [
    {
      inputs: { average: denseRow([3]), weight: denseRow([4]) },
      attributes: { decay: 0.9 },
      says: 'they must be equal',
    },
    { inputs: { average: denseRow([3]), weight: denseRow([3]) }, attributes: { decay: 1 }, says: 'decay is 1' },
  ],
})
