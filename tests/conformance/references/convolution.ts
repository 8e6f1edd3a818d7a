import { activationOf } from '../../../src/ops/activations.ts'
import type { Reference, References } from './reference.ts'
import { carried, continued, statesAfter } from './sequences.ts'
import { strided } from './sizes.ts'

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

/** How the kernels of the family `convolution` are judged. */
export const convolution: References<'convolution'> = {
  causalConvolution_fwd_f32: causalConvolution,
}
