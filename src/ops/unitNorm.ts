import { defineOp } from '../ir/op.ts'
import { mapTensor } from '../ir/tensor.ts'
import { squareChunks, squaresForward, unitNormForward } from '../kernels/gradient/gradient.kernel.ts'
import { denseRow, widthFrom } from './shapes.ts'

/** y = x / (‖x‖ + eps), with the norm of all elements. */
export const unitNorm = defineOp({
  name: 'unitNorm',
  inputs: { x: ['f32'] },
  outputs: ['y'],
  infer({ x }, { eps }: { eps: number }, refuse) {
    if (!(eps >= 0)) refuse(`eps is ${eps}; accepted: 0 or more`)
    return { y: x }
  },
  reference({ x }, { eps }) {
    const norm = Math.sqrt(x.data.reduce((sum, value) => sum + value * value, 0))
    return { y: mapTensor(x, (value) => value / (norm + eps)) }
  },
  lower({ x }, { y }, { eps }, to) {
    const sums = to.scratch('squares', { dtype: 'f32', shape: [1, squareChunks] })
    const dims = { elements: widthFrom(x.type, 0), chunks: squareChunks }
    to.call(squaresForward, { ...dims, x, sums })
    to.call(unitNormForward, { ...dims, eps, x, sums, y })
  },
  tolerance: { relative: 4 },
  samples: (lanes) =>
    [
      [3, lanes - 1],
      [7, 2 * lanes + 1],
      [37, 256],
    ].map((shape) => ({
      inputs: { x: { dtype: 'f32', shape } },
      attributes: { eps: 1e-7 },
    })),
  refusals: [{ inputs: { x: denseRow([2, 3]) }, attributes: { eps: -1 }, says: 'eps is -1' }],
})
