import type { Reference, References } from './reference.ts'
import { carried, continued, statesAfter } from './sequences.ts'
import { strided } from './sizes.ts'

const deltaRule: Reference = {
  sizes: (lanes) =>
    strided(
      strided(
        [
          { tokens: 1, keyHeads: 1, valueHeads: 1, keyWidth: 1, valueWidth: 1, sequenceCount: 1 },
          { tokens: 7, keyHeads: 2, valueHeads: 4, keyWidth: 10, valueWidth: lanes + 1, sequenceCount: 2 },
          { tokens: 9, keyHeads: 3, valueHeads: 3, keyWidth: lanes + 5, valueWidth: 139, sequenceCount: 4 },
          { tokens: 66, keyHeads: 1, valueHeads: 2, keyWidth: 24, valueWidth: 32, sequenceCount: 1 },
          { tokens: 2, keyHeads: 1, valueHeads: 2, keyWidth: 256, valueWidth: 65, sequenceCount: 2 },
        ],
        ({ keyHeads, keyWidth }) => keyHeads! * keyWidth!,
        'qRow',
        'kRow',
      ),
      ({ valueHeads, valueWidth }) => valueHeads! * valueWidth!,
      'vRow',
      'yRow',
    ),
  attributes: ({ tokens }) => ({ tiled: tokens! % 2, scale: 0.25 }),
  fill: {
    ...continued,
    // Keys of about length 1, as the rule expects them: the states stay bounded.
    k: ({ tokens, keyHeads, keyWidth }, random) =>
      Array.from({ length: tokens! * keyHeads! * keyWidth! }, () => random.normal() / Math.sqrt(keyWidth!)),
    decay: ({ tokens, valueHeads }, random) =>
      Array.from({ length: tokens! * valueHeads! }, () => Math.exp(-Math.abs(random.normal()))),
    beta: ({ tokens, valueHeads }, random) =>
      Array.from({ length: tokens! * valueHeads! }, () => 1 / (1 + Math.exp(random.normal()))),
    state: carried(({ valueHeads, keyWidth, valueWidth }) => valueHeads! * keyWidth! * valueWidth!),
  },
  compute(values, { tokens, keyHeads, valueHeads, keyWidth, valueWidth }, { tiled, scale }) {
    const { q, k, v, decay, beta, sequences } = values
    const states = statesAfter(values, valueHeads! * keyWidth! * valueWidth!)
    const y = new Float64Array(tokens! * valueHeads! * valueWidth!)
    for (let at = 0; at < tokens! * valueHeads!; at++) {
      const [t, h] = [Math.floor(at / valueHeads!), at % valueHeads!]
      const keyHead = tiled ? h % keyHeads! : Math.floor((h * keyHeads!) / valueHeads!)
      const row = (all: Float64Array) => all.subarray((t * keyHeads! + keyHead) * keyWidth!).subarray(0, keyWidth)
      const state = states[sequences![t]!]!.subarray(h * keyWidth! * valueWidth!, (h + 1) * keyWidth! * valueWidth!)
      for (let c = 0; c < valueWidth!; c++) {
        const column = row(k!).map((_, i) => decay![at]! * state[i * valueWidth! + c]!)
        const known = column.reduce((sum, value, i) => sum + value * row(k!)[i]!, 0)
        const change = beta![at]! * (v![at * valueWidth! + c]! - known)
        const changed = column.map((value, i) => value + row(k!)[i]! * change)
        changed.forEach((value, i) => {
          state[i * valueWidth! + c] = value
        })
        y[at * valueWidth! + c] = scale! * changed.reduce((sum, value, i) => sum + value * row(q!)[i]!, 0)
      }
    }
    return { state: Float64Array.from(states.flatMap((state) => [...state])), y }
  },
  epsilons: 64,
}

/** How the kernels of the family `delta` are judged. */
export const delta: References<'delta'> = {
  deltaRule_fwd_f32: deltaRule,
}
