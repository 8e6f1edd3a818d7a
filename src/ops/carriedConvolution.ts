import { defineOp } from '../ir/op.ts'
import { tensor } from '../ir/tensor.ts'
import { causalConvolutionForward } from '../kernels/convolution/convolution.kernel.ts'
import { type ConvolutionActivation, checkConvolution, convolve } from './convolve.ts'
import { axis, denseRow } from './shapes.ts'

/**
 * `causalConvolution` of tokens that continue sequences: token t is the next of sequence sequences[t], whose last taps - 1
 * inputs the state [sequences, taps - 1, channels] holds, the oldest first. At positions[t] = 0 nothing stands before it.
 */
export const carriedConvolution = defineOp({
  name: 'carriedConvolution',
  inputs: { state: ['f32'], x: ['f32'], w: ['f32'], positions: ['i32'], sequences: ['i32'] },
  outputs: ['y', 'next'],
  advances: { next: 'state' },
  infer({ state, x, w, positions, sequences }, { activation }: { activation: ConvolutionActivation }, refuse) {
    checkConvolution(x, w, { activation }, refuse)
    const held = `${axis(w, 1) - 1},${axis(x, 1)}`
    if (state.shape.length !== 3 || state.shape.slice(1).join() !== held)
      refuse(`state is [${state.shape}]; accepted: [sequences,${held}]`)
    if (positions.shape[0] !== x.shape[0] || sequences.shape[0] !== x.shape[0])
      refuse('positions and sequences need a row per token')
    return { y: x, next: state }
  },
  reference({ state, x, w, positions, sequences }, { activation }) {
    const [tokens = 0, channels = 0] = x.shape
    const held = state.shape[1] ?? 0
    const y = tensor(x.shape)
    const next = tensor(state.shape, state.data)
    for (let t = 0; t < tokens; t++) {
      const of = next.data.subarray(sequences.data[t]! * held * channels, (sequences.data[t]! + 1) * held * channels)
      if (positions.data[t] === 0) of.fill(0)
      const own = x.data.subarray(t * channels, (t + 1) * channels)
      const row = (back: number) =>
        back === 0 ? own : of.subarray((held - back) * channels, (held - back + 1) * channels)
      y.data.set(convolve(w.data, channels, row, activation), t * channels)
      of.copyWithin(0, channels)
      of.set(own, (held - 1) * channels)
    }
    return { y, next }
  },
  lower({ state, x, w, positions, sequences }, { y, next }, { activation }, to) {
    to.advance(next, state)
    const dims = {
      tokens: x.type.shape[0]!,
      channels: axis(x.type, 1),
      taps: axis(w.type, 1),
      held: axis(state.type, 1),
      sequenceCount: axis(state.type, 0),
      xRow: to.stride(x),
      yRow: to.stride(y),
      silu: activation === 'silu' ? 1 : 0,
    }
    to.call(causalConvolutionForward, { ...dims, x, w, positions, sequences, state: next, y })
  },
  tolerance: { relative: 8 },
  samples: (lanes) =>
    (['none', 'silu'] as const).flatMap((activation) =>
      [
        { tokens: 1, channels: 1, taps: 2, begins: false },
        { tokens: 6, channels: lanes + 1, taps: 4, begins: false },
        { tokens: 5, channels: 67, taps: 3, begins: true },
        { tokens: 2, channels: 2 * lanes, taps: 7, begins: true },
      ].map(({ tokens, channels, taps, begins }) => ({
        inputs: {
          state: { dtype: 'f32' as const, shape: [2, taps - 1, channels] },
          x: { dtype: 'f32' as const, shape: [tokens, channels] },
          w: { dtype: 'f32' as const, shape: [channels, taps] },
          positions: { dtype: 'i32' as const, shape: [tokens], values: begins ? ('iota' as const) : { below: 9 } },
          sequences: { dtype: 'i32' as const, shape: [tokens], values: { below: 2 } },
        },
        attributes: { activation },
      })),
    ),
  refusals: [
    {
      inputs: {
        state: denseRow([1, 4, 8]),
        x: denseRow(['tokens', 8]),
        w: denseRow([8, 4]),
        positions: { dtype: 'i32', shape: ['tokens'] },
        sequences: { dtype: 'i32', shape: ['tokens'] },
      },
      attributes: { activation: 'silu' },
      says: 'state is [1,4,8]; accepted: [sequences,3,8]',
    },
  ],
})
