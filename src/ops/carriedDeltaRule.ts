import { defineOp } from '../ir/op.ts'
import { tensor } from '../ir/tensor.ts'
import { deltaRuleForward } from '../kernels/delta/delta.kernel.ts'
import { advanceDelta, checkDelta, type DeltaAttributes } from './delta.ts'
import { axis, denseRow } from './shapes.ts'

/**
 * `deltaRule` of tokens that continue sequences: token t is the next of sequence sequences[t], whose S are in the state
 * [sequences, valueHeads, width, valueWidth]. At positions[t] = 0 they begin as 0.
 */
export const carriedDeltaRule = defineOp({
  name: 'carriedDeltaRule',
  inputs: {
    state: ['f32'],
    q: ['f32'],
    k: ['f32'],
    v: ['f32'],
    decay: ['f32'],
    beta: ['f32'],
    positions: ['i32'],
    sequences: ['i32'],
  },
  outputs: ['y', 'next'],
  advances: { next: 'state' },
  infer(inputs, attributes: DeltaAttributes, refuse) {
    const { state, k, v, positions, sequences } = inputs
    checkDelta(inputs, attributes, refuse)
    const ofSequence = `${axis(v, 1)},${axis(k, 2)},${axis(v, 2)}`
    if (state.shape.length !== 4 || state.shape.slice(1).join() !== ofSequence)
      refuse(`state is [${state.shape}]; accepted: [sequences,${ofSequence}]`)
    if (positions.shape[0] !== v.shape[0] || sequences.shape[0] !== v.shape[0])
      refuse('positions and sequences need a row per token')
    return { y: v, next: state }
  },
  reference(inputs, attributes) {
    const { state, v, positions, sequences } = inputs
    const elements = state.data.length / (state.shape[0] ?? 1)
    const y = tensor(v.shape)
    const next = tensor(state.shape, state.data)
    for (let t = 0; t < (v.shape[0] ?? 0); t++) {
      const sequence = sequences.data[t]!
      const of = next.data.subarray(sequence * elements, (sequence + 1) * elements)
      if (positions.data[t] === 0) of.fill(0)
      advanceDelta(inputs, attributes, t, of, y)
    }
    return { y, next }
  },
  lower({ state, q, k, v, decay, beta, positions, sequences }, { y, next }, { scale, order }, to) {
    to.advance(next, state)
    const dims = {
      tokens: v.type.shape[0]!,
      keyHeads: axis(k.type, 1),
      valueHeads: axis(v.type, 1),
      keyWidth: axis(k.type, 2),
      valueWidth: axis(v.type, 2),
      sequenceCount: axis(state.type, 0),
      qRow: to.stride(q),
      kRow: to.stride(k),
      vRow: to.stride(v),
      yRow: to.stride(y),
      tiled: order === 'tiled' ? 1 : 0,
    }
    to.call(deltaRuleForward, { ...dims, scale, q, k, v, decay, beta, positions, sequences, state: next, y })
  },
  tolerance: { relative: 64 },
  samples: (lanes) =>
    (['grouped', 'tiled'] as const).flatMap((order) =>
      [
        { tokens: 1, keyHeads: 1, valueHeads: 1, width: 1, valueWidth: 1, begins: false },
        { tokens: 3, keyHeads: 2, valueHeads: 4, width: 7, valueWidth: lanes + 1, begins: false },
        { tokens: 4, keyHeads: 3, valueHeads: 3, width: 2 * lanes + 1, valueWidth: 67, begins: true },
        { tokens: 2, keyHeads: 1, valueHeads: 2, width: 5, valueWidth: 64, begins: true },
      ].map(({ tokens, keyHeads, valueHeads, width, valueWidth, begins }) => ({
        inputs: {
          state: { dtype: 'f32' as const, shape: [2, valueHeads, width, valueWidth] },
          q: { dtype: 'f32' as const, shape: [tokens, keyHeads, width] },
          k: { dtype: 'f32' as const, shape: [tokens, keyHeads, width] },
          v: { dtype: 'f32' as const, shape: [tokens, valueHeads, valueWidth] },
          decay: { dtype: 'f32' as const, shape: [tokens, valueHeads] },
          beta: { dtype: 'f32' as const, shape: [tokens, valueHeads] },
          positions: { dtype: 'i32' as const, shape: [tokens], values: begins ? ('iota' as const) : { below: 9 } },
          sequences: { dtype: 'i32' as const, shape: [tokens], values: { below: 2 } },
        },
        attributes: { scale: 0.3, order },
      })),
    ),
  refusals: [
    {
      inputs: {
        state: denseRow([1, 2, 8, 4]),
        q: denseRow(['tokens', 2, 8]),
        k: denseRow(['tokens', 2, 8]),
        v: denseRow(['tokens', 2, 5]),
        decay: denseRow(['tokens', 2]),
        beta: denseRow(['tokens', 2]),
        positions: { dtype: 'i32', shape: ['tokens'] },
        sequences: { dtype: 'i32', shape: ['tokens'] },
      },
      attributes: { scale: 1, order: 'grouped' },
      says: 'state is [1,2,8,4]; accepted: [sequences,2,8,5]',
    },
  ],
})
