import { fail } from '../base/errors.ts'
import type { TensorType } from '../ir/graph.ts'
import { defineOp } from '../ir/op.ts'
import { tensor } from '../ir/tensor.ts'
import { mostTaps } from '../kernels/convolution/convolution.kernel.ts'
import { activationOf } from './activations.ts'
import { axis, denseRow } from './shapes.ts'

/** What a convolution does with its sums. */
export type ConvolutionActivation = 'none' | 'silu'

/**
 * A causal convolution of every channel with weights of its own, within one sequence whose tokens are the rows of x
 * [tokens, channels], in order: y[t, c] = f(Σj w[c, j] · x[t - taps + 1 + j, c]), where rows before the first are 0.
 * Pure: `insertStates` rewrites it to `carriedConvolution` for the modes that keep a state.
 */
export const causalConvolution = defineOp({
  name: 'causalConvolution',
  inputs: { x: ['f32'], w: ['f32'] },
  outputs: ['y'],
  infer({ x, w }, { activation }: { activation: ConvolutionActivation }, refuse) {
    checkConvolution(x, w, activation, refuse)
    return { y: x }
  },
  reference({ x, w }, { activation }) {
    const [tokens = 0, channels = 0] = x.shape
    const y = tensor(x.shape)
    for (let t = 0; t < tokens; t++) {
      const row = (back: number) =>
        back <= t ? x.data.subarray((t - back) * channels, (t - back + 1) * channels) : undefined
      y.data.set(convolve(w.data, channels, row, activation), t * channels)
    }
    return { y }
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
        inputs: { x: { dtype: 'f32' as const, shape: [7, 5] }, w: { dtype: 'f32' as const, shape: [5, taps] } },
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

/** Refuses what no convolution of x with w is. */
export function checkConvolution(
  x: TensorType,
  w: TensorType,
  activation: string,
  refuse: (what: string) => never,
): void {
  if (x.shape.length !== 2) refuse(`x needs two axes, not ${x.shape.length}`)
  if (w.shape.length !== 2 || axis(w, 0) !== axis(x, 1))
    refuse(`w is [${w.shape}]; accepted: [${axis(x, 1)}, taps], the channels of x`)
  if (axis(w, 1) < 2 || axis(w, 1) > mostTaps) refuse(`w has ${axis(w, 1)} taps; accepted: 2 to ${mostTaps}`)
  if (activation !== 'none' && activation !== 'silu') refuse(`activation is '${activation}'; accepted: none, silu`)
}

/** The results of one token, in float64. `row(back)` is the input of that many tokens ago, undefined before the first. */
export function convolve(
  w: Float64Array,
  channels: number,
  row: (back: number) => Float64Array | undefined,
  activation: ConvolutionActivation,
): Float64Array {
  const taps = w.length / channels
  const sums = new Float64Array(channels)
  for (let j = 0; j < taps; j++) {
    const x = row(taps - 1 - j)
    if (x) for (let c = 0; c < channels; c++) sums[c]! += w[c * taps + j]! * x[c]!
  }
  return activation === 'silu' ? sums.map(activationOf.silu) : sums
}
