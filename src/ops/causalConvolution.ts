import { defineOp } from '../ir/op.ts'
import { tensor } from '../ir/tensor.ts'
import { causalConvolutionRowsForward } from '../kernels/convolution/convolution.kernel.ts'
import { checkStarts } from './attentionRows.ts'
import { firstOf } from './batchRows.ts'
import { causalConvolutionBackward } from './causalConvolutionBackward.ts'
import { type ConvolutionAttributes, checkConvolution, convolutionSizes, convolve, rowsSamples } from './convolve.ts'
import { denseRow } from './shapes.ts'

/**
 * A causal convolution of every channel with weights of its own, within one sequence whose tokens are the rows of x
 * [tokens, channels], in order: y[t, c] = f(Σj w[c, j] · x[t - taps + 1 + j, c]), where rows before the first are 0.
 * `starts` [tokens] says at which row the sequence of each token begins, where a step holds several. `length`: tokens are rows
 * of a batch, of so many each, which do not mix (absent or 0: one row).
 * Pure: `insertStates` rewrites it to `carriedConvolution` for the modes that keep a state.
 */
export const causalConvolution = defineOp({
  name: 'causalConvolution',
  inputs: { x: ['f32'], w: ['f32'], starts: ['i32'] },
  optional: ['starts'],
  outputs: ['y'],
  isDear: true,
  infer({ x, w, starts }, attributes: ConvolutionAttributes, refuse) {
    checkConvolution(x, w, attributes, refuse)
    checkStarts(x, starts, refuse)
    return { y: x }
  },
  reference({ x, w, starts }, { activation, length }) {
    const [tokens = 0, channels = 0] = x.shape
    const y = tensor(x.shape)
    for (let t = 0; t < tokens; t++) {
      const row = (back: number) =>
        back <= t - firstOf(t, starts, length)
          ? x.data.subarray((t - back) * channels, (t - back + 1) * channels)
          : undefined
      y.data.set(convolve(w.data, channels, row, activation), t * channels)
    }
    return { y }
  },
  vjp({ x, w, starts }, _outputs, { y: dy }, attributes, g) {
    const { dx, dw } = g.apply(causalConvolutionBackward, 'x', { x, w, ...(starts ? { starts } : {}), dy }, attributes)
    return { x: dx, w: dw }
  },
  lower({ x, w, starts }, { y }, attributes, to) {
    const dims = { ...convolutionSizes(x.type, w.type, attributes), xRow: to.stride(x), yRow: to.stride(y) }
    to.call(causalConvolutionRowsForward, { ...dims, x, w, starts: starts ?? null, y })
  },
  tolerance: { relative: 8 },
  samples: (lanes) =>
    rowsSamples(lanes).map(({ x, w, starts, attributes }) => ({ inputs: { x, w, ...starts }, attributes })),
  refusals: [
    {
      inputs: { x: denseRow(['tokens', 8]), w: denseRow([9, 4]) },
      attributes: { activation: 'silu' },
      says: 'w is [9,4]; accepted: [8, taps]',
    },
    {
      inputs: { x: denseRow(['tokens', 8]), w: denseRow([8, 17]) },
      attributes: { activation: 'silu' },
      says: 'w has 17 taps; accepted: 2 to 16',
    },
    {
      inputs: { x: denseRow([6, 8]), w: denseRow([8, 4]) },
      attributes: { activation: 'silu', length: 4 },
      says: 'length is 4; accepted: a divisor of the 6 tokens',
    },
  ],
})
