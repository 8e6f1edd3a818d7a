import type { TensorType } from '../ir/graph.ts'
import { mostTaps } from '../kernels/convolution/convolution.kernel.ts'
import { activationOf } from './activations.ts'
import { axis } from './shapes.ts'

/** What a convolution does with its sums. */
export type ConvolutionActivation = 'none' | 'silu'

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
