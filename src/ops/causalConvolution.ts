import { fail } from '../base/errors.ts'
import { defineOp } from '../ir/op.ts'
import { tensor } from '../ir/tensor.ts'
import { checkStarts } from './attentionRows.ts'
import { causalConvolutionBackward } from './causalConvolutionBackward.ts'
import { type ConvolutionActivation, checkConvolution, convolve } from './convolve.ts'
import { denseRow } from './shapes.ts'

/**
 * A causal convolution of every channel with weights of its own, within one sequence whose tokens are the rows of x
 * [tokens, channels], in order: y[t, c] = f(Σj w[c, j] · x[t - taps + 1 + j, c]), where rows before the first are 0.
 * `starts` [tokens] says at which row the sequence of each token begins, where a step holds several.
 * Pure: `insertStates` rewrites it to `carriedConvolution` for the modes that keep a state.
 */
export const causalConvolution = defineOp({
  name: 'causalConvolution',
  inputs: { x: ['f32'], w: ['f32'], starts: ['i32'] },
  optional: ['starts'],
  outputs: ['y'],
  infer({ x, w, starts }, { activation }: { activation: ConvolutionActivation }, refuse) {
    checkConvolution(x, w, activation, refuse)
    checkStarts(x, starts, refuse)
    return { y: x }
  },
  reference({ x, w, starts }, { activation }) {
    const [tokens = 0, channels = 0] = x.shape
    const y = tensor(x.shape)
    for (let t = 0; t < tokens; t++) {
      const row = (back: number) =>
        back <= t - (starts?.data[t] ?? 0)
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
  lower({ x }) {
    fail('kernel_missing', {
      where: x.name,
      what: 'a convolution without a state',
      accepted: 'prefill and decode modes, where insertStates has run',
    })
  },
  tolerance: { relative: 8 },
  samples: () =>
    (['none', 'silu'] as const).flatMap((activation) =>
      [2, 4].map((taps) => ({
        inputs: {
          x: { dtype: 'f32', shape: [7, 5] },
          w: { dtype: 'f32', shape: [5, taps] },
          ...(taps > 2 ? { starts: { dtype: 'i32', shape: [7], values: [0, 0, 0, 0, 4, 4, 4] } } : {}),
        } as const,
        attributes: { activation },
      })),
    ),
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
  ],
})
