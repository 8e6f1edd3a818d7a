import { slopeOf } from '../../../src/ops/activateBackward.ts'
import { activationOf } from '../../../src/ops/activations.ts'
import type { Dims } from '../placement.ts'
import type { Reference, References, Values } from './reference.ts'
import { someSum } from './rowValues.ts'
import { carried, continued, statesAfter } from './sequences.ts'
import { strided } from './sizes.ts'
import { startOf, starts } from './starts.ts'

const causalConvolution: Reference = {
  sizes: (lanes) =>
    strided(
      [
        { tokens: 1, channels: 1, taps: 2, sequenceCount: 2 },
        { tokens: 7, channels: lanes + 3, taps: 4, sequenceCount: 2 },
        { tokens: 9, channels: 131, taps: 3, sequenceCount: 4 },
        { tokens: 2, channels: 4 * lanes, taps: 7, sequenceCount: 1 },
        { tokens: 5, channels: 193, taps: 4, sequenceCount: 2 },
      ].map((dims) => ({ ...dims, held: dims.taps - 1, sequenceCount: Math.min(dims.sequenceCount, dims.tokens) })),
      ({ channels }) => channels!,
      'xRow',
      'yRow',
    ),
  attributes: ({ taps }) => ({ silu: taps! % 2 ? 0 : 1 }),
  fill: { ...continued, state: carried(({ held, channels }) => held! * channels!) },
  compute(values, { tokens, channels, taps, held }, { silu: isSilu }) {
    const { x, w, sequences } = values
    const states = statesAfter(values, held! * channels!)
    const y = new Float64Array(tokens! * channels!)
    for (let t = 0; t < tokens!; t++) {
      const state = states[sequences![t]!]!
      for (let c = 0; c < channels!; c++) {
        const seen = [...Array.from({ length: held! }, (_, j) => state[j * channels! + c]!), x![t * channels! + c]!]
        const sum = seen.reduce((all, value, j) => all + value * w![c * taps! + j]!, 0)
        y[t * channels! + c] = isSilu ? activationOf.silu(sum) : sum
        for (let j = 0; j < held!; j++) state[j * channels! + c] = seen[j + 1]!
      }
    }
    return { state: Float64Array.from(states.flatMap((state) => [...state])), y }
  },
  epsilons: 8,
}

/** Sizes of the kernels over the rows of x. `widest`: channels of a tile. */
const rowsSizes =
  (widest: number, ...strides: readonly string[]) =>
  (lanes: number) =>
    strided(
      [
        { tokens: 1, batch: 1, channels: 1, taps: 2 },
        { tokens: 12, batch: 2, channels: lanes + 3, taps: 4 },
        { tokens: 9, batch: 9, channels: 37, taps: 3 },
        { tokens: 5, batch: 1, channels: 4 * lanes, taps: 7 },
        { tokens: 150, batch: 2, channels: widest + lanes + 1, taps: 4 },
        { tokens: 33, batch: 3, channels: 2 * lanes - 1, taps: 16 },
        { tokens: 70, batch: 1, channels: 2 * lanes, taps: 3 },
      ],
      ({ channels }) => channels!,
      ...strides,
    )

const silu = ({ taps }: Dims) => ({ silu: taps! % 2 ? 0 : 1 })

/** What tap j sees at token t: where in x, or nothing. */
function seenAt(values: Values, dims: Dims, t: number, c: number, j: number): number | undefined {
  const row = t - dims.taps! + 1 + j
  return row < startOf(values, dims, t) ? undefined : row * dims.channels! + c
}

function sumAt(values: Values, dims: Dims, t: number, c: number): number {
  let sum = 0
  for (let j = 0; j < dims.taps!; j++) {
    const at = seenAt(values, dims, t, c, j)
    if (at !== undefined) sum += values.x![at]! * values.w![c * dims.taps! + j]!
  }
  return sum
}

const causalConvolutionRows: Reference = {
  sizes: rowsSizes(256, 'xRow', 'yRow'),
  attributes: silu,
  fill: { starts },
  compute(values, dims, { silu: isSilu }) {
    const y = values.x!.map((_, at) => {
      const sum = sumAt(values, dims, Math.floor(at / dims.channels!), at % dims.channels!)
      return isSilu ? activationOf.silu(sum) : sum
    })
    return { y }
  },
  epsilons: 8,
}

const causalConvolutionBackward: Reference = {
  sizes: rowsSizes(128, 'xRow', 'dyRow', 'dxRow'),
  attributes: silu,
  fill: { starts, sum: someSum('taps', 'channels') },
  compute(values, dims, { silu: isSilu }) {
    const { x, w, dy, sum } = values
    const { channels, taps } = dims
    const [dx, dw] = [new Float64Array(x!.length), sum?.slice() ?? new Float64Array(w!.length)]
    dy!.forEach((given, here) => {
      const [t, c] = [Math.floor(here / channels!), here % channels!]
      const ds = given * (isSilu ? slopeOf.silu(sumAt(values, dims, t, c)) : 1)
      for (let j = 0; j < taps!; j++) {
        const at = seenAt(values, dims, t, c, j)
        if (at === undefined) continue
        dx[at]! += w![c * taps! + j]! * ds
        dw[c * taps! + j]! += x![at]! * ds
      }
    })
    return { dx, dw }
  },
  epsilons: 32,
}

/** How the kernels of the family `convolution` are judged. */
export const convolution: References<'convolution'> = {
  causalConvolution_fwd_f32: causalConvolution,
  causalConvolutionRows_fwd_f32: causalConvolutionRows,
  causalConvolution_bwd_f32: causalConvolutionBackward,
}
