import { defineOp } from '../ir/op.ts'
import { residualRmsNormForward } from '../kernels/norm/norm.kernel.ts'
import { add } from './add.ts'
import { rmsNorm } from './rmsNorm.ts'
import { denseRow, lastAxis } from './shapes.ts'

/** sum = x + delta, y = rmsNorm(sum): the end of one block and the beginning of the next in one pass over the row. */
export const residualRmsNorm = defineOp({
  name: 'residualRmsNorm',
  inputs: { x: ['f32'], delta: ['f32'], gain: ['f32'] },
  outputs: ['sum', 'y'],
  infer({ x, delta, gain }, { eps }: { eps: number }, refuse) {
    if (x.shape.length !== 2) refuse(`x needs two axes, not ${x.shape.length}`)
    if (x.shape.join() !== delta.shape.join())
      refuse(`x is [${x.shape}] and delta is [${delta.shape}]; they must be equal`)
    if (gain.shape.length !== 1 || gain.shape[0] !== lastAxis(x))
      refuse(`gain is [${gain.shape}]; accepted: [${lastAxis(x)}]`)
    if (!(eps >= 0)) refuse(`eps is ${eps}; accepted: a number of at least 0`)
    return { sum: x, y: x }
  },
  decompose(g, { x, delta, gain }, { eps }) {
    const sum = g.apply(add, 'residual', { x, z: delta }, {})
    return { sum, y: g.apply(rmsNorm, 'normed', { x: sum, gain }, { eps }) }
  },
  lower({ x, delta, gain }, { sum, y }, { eps }, to) {
    to.call(residualRmsNormForward, { rows: x.type.shape[0]!, cols: lastAxis(x.type), eps, x, delta, gain, sum, y })
  },
  tolerance: { relative: 4 },
  samples: (lanes) =>
    [1, lanes - 1, 2 * lanes + 1, 4099].map((cols) => {
      const row = { dtype: 'f32', shape: [3, cols] } as const
      return { inputs: { x: row, delta: row, gain: { dtype: 'f32', shape: [cols] } }, attributes: { eps: 1e-5 } }
    }),
  refusals: [
    {
      inputs: { x: denseRow(['tokens', 8]), delta: denseRow(['tokens', 8]), gain: denseRow([8]) },
      attributes: { eps: -1 },
      says: 'eps is -1',
    },
    {
      inputs: { x: denseRow(['tokens', 8]), delta: denseRow(['tokens', 8]), gain: denseRow([9]) },
      attributes: { eps: 1e-5 },
      says: 'gain is [9]',
    },
  ],
})
