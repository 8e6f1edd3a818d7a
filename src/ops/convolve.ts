import type { TensorType } from '../ir/graph.ts'
import type { SampleInput } from '../ir/op.ts'
import { mostTaps } from '../kernels/convolution/convolution.kernel.ts'
import { activationOf } from './activations.ts'
import { batchOf, checkLength } from './batchRows.ts'
import { axis } from './shapes.ts'

/** What a convolution does with its sums. */
export type ConvolutionActivation = 'none' | 'silu'

/** A type and not an interface: attributes are records of any names. */
export type ConvolutionAttributes = {
  readonly activation: ConvolutionActivation
  /** Tokens of each row of the batch; 0 or absent: all. */
  readonly length?: number
}

/** Refuses what no convolution of x with w is. */
export function checkConvolution(
  x: TensorType,
  w: TensorType,
  { activation, length }: ConvolutionAttributes,
  refuse: (what: string) => never,
): void {
  if (x.shape.length !== 2) refuse(`x needs two axes, not ${x.shape.length}`)
  if (w.shape.length !== 2 || axis(w, 0) !== axis(x, 1))
    refuse(`w is [${w.shape}]; accepted: [${axis(x, 1)}, taps], the channels of x`)
  if (axis(w, 1) < 2 || axis(w, 1) > mostTaps) refuse(`w has ${axis(w, 1)} taps; accepted: 2 to ${mostTaps}`)
  if (activation !== 'none' && activation !== 'silu')
    refuse(`activation is '${String(activation)}'; accepted: none, silu`)
  checkLength(x.shape[0]!, length, refuse)
}

/** What the kernels over the rows of x are told of a convolution, but for strides and buffers. */
export function convolutionSizes(x: TensorType, w: TensorType, { activation, length }: ConvolutionAttributes) {
  const [tokens, batch] = [x.shape[0]!, batchOf(x, length)]
  return { tokens, batch, channels: axis(x, 1), taps: axis(w, 1), silu: activation === 'silu' ? 1 : 0 }
}

/** Cases over the rows of x: with and without sequences within a row, and rows of a batch. */
export function rowsSamples(lanes: number) {
  const sizes: readonly { tokens: number; channels: number; taps: number; length?: number; starts?: number[] }[] = [
    { tokens: 7, channels: 5, taps: 2 },
    { tokens: 7, channels: 5, taps: 4, starts: [0, 0, 0, 0, 4, 4, 4] },
    { tokens: 6, channels: lanes + 1, taps: 5, length: 3 },
    { tokens: 8, channels: lanes, taps: 3, length: 4, starts: [0, 0, 2, 3, 4, 4, 4, 4] },
  ]
  return sizes.flatMap(({ tokens, channels, taps, length, starts }) =>
    (['none', 'silu'] as const).map((activation) => {
      const x: SampleInput = { dtype: 'f32', shape: [tokens, channels] }
      const w: SampleInput = { dtype: 'f32', shape: [channels, taps] }
      const begins: { starts?: SampleInput } = starts
        ? { starts: { dtype: 'i32', shape: [tokens], values: starts } }
        : {}
      const attributes: ConvolutionAttributes = length ? { activation, length } : { activation }
      return { x, w, starts: begins, attributes }
    }),
  )
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
