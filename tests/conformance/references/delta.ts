import { tensor } from '../../../src/ir/tensor.ts'
import { deltaRoom } from '../../../src/kernels/delta/delta.kernel.ts'
import type { DeltaAttributes } from '../../../src/ops/delta.ts'
import { deltaRule as deltaRuleOp } from '../../../src/ops/deltaRule.ts'
import { deltaRuleBackward as deltaRuleBackwardOp } from '../../../src/ops/deltaRuleBackward.ts'
import type { Dims } from '../placement.ts'
import type { Fill, Reference, References, Values } from './reference.ts'
import { carried, continued, statesAfter } from './sequences.ts'
import { strided } from './sizes.ts'
import { starts } from './starts.ts'

/** Values with which the states stay bounded. */
const bounded: { readonly [buffer: string]: Fill } = {
  // Keys of about length 1, as the rule expects them.
  k: ({ tokens, keyHeads, keyWidth }, random) =>
    Array.from({ length: tokens! * keyHeads! * keyWidth! }, () => random.normal() / Math.sqrt(keyWidth!)),
  decay: ({ tokens, valueHeads }, random) =>
    Array.from({ length: tokens! * valueHeads! }, () => Math.exp(-Math.abs(random.normal()))),
  beta: ({ tokens, valueHeads }, random) =>
    Array.from({ length: tokens! * valueHeads! }, () => 1 / (1 + Math.exp(random.normal()))),
}

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
    ...bounded,
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

const rowsSizes = (lanes: number, ...valueStrides: readonly string[]): Dims[] => {
  const keyed = strided(
    [
      { tokens: 1, batch: 1, keyHeads: 1, valueHeads: 1, keyWidth: 1, valueWidth: 1 },
      { tokens: 14, batch: 2, keyHeads: 2, valueHeads: 4, keyWidth: 10, valueWidth: lanes + 1 },
      { tokens: 9, batch: 9, keyHeads: 3, valueHeads: 3, keyWidth: lanes + 5, valueWidth: 67 },
      { tokens: 75, batch: 1, keyHeads: 1, valueHeads: 2, keyWidth: 24, valueWidth: 2 * lanes },
      { tokens: 14, batch: 2, keyHeads: 1, valueHeads: 2, keyWidth: 256, valueWidth: 3 * lanes - 1 },
      { tokens: 26, batch: 2, keyHeads: 2, valueHeads: 4, keyWidth: 16, valueWidth: 8 * lanes + 3 },
    ],
    ({ keyHeads, keyWidth }) => keyHeads! * keyWidth!,
    'qRow',
    'kRow',
  )
  return strided(keyed, ({ valueHeads, valueWidth }) => valueHeads! * valueWidth!, ...valueStrides)
}

/** What the op says of the values of a call. */
function operandsOf(values: Values, dims: Dims, { tiled, scale }: { readonly [name: string]: number }) {
  const { tokens = 0, batch = 1, keyHeads = 0, valueHeads = 0, keyWidth = 0, valueWidth = 0 } = dims
  const [keys, heads, gates] = [
    [tokens, keyHeads, keyWidth],
    [tokens, valueHeads, valueWidth],
    [tokens, valueHeads],
  ]
  const attributes: DeltaAttributes = { scale: scale!, order: tiled ? 'tiled' : 'grouped', length: tokens / batch }
  const inputs = {
    q: tensor(keys, values.q),
    k: tensor(keys, values.k),
    v: tensor(heads, values.v),
    decay: tensor(gates, values.decay),
    beta: tensor(gates, values.beta),
    ...(values.starts ? { starts: tensor([tokens], values.starts) } : {}),
    ...(values.dy ? { dy: tensor(heads, values.dy) } : {}),
  }
  return [inputs as typeof inputs & { starts: typeof inputs.q; dy: typeof inputs.q }, attributes] as const
}

const dataOf = (outputs: { readonly [slot: string]: { readonly data: Float64Array } }) =>
  Object.fromEntries(Object.entries(outputs).map(([slot, { data }]) => [slot, data]))

const deltaRuleRows: Reference = {
  sizes: (lanes) => rowsSizes(lanes, 'vRow', 'yRow'),
  attributes: ({ tokens }) => ({ tiled: tokens! % 2, scale: 0.25 }),
  fill: { ...bounded, starts },
  compute: (values, dims, attributes) => dataOf(deltaRuleOp.reference!(...operandsOf(values, dims, attributes))),
  epsilons: 64,
}

const deltaRuleBackward: Reference = {
  // Room for one part, for three and for all.
  sizes: (lanes) =>
    rowsSizes(lanes, 'vRow').map((dims, i) => ({
      ...dims,
      room: [1, 3, 16][i % 3]! * deltaRoom(dims.tokens! / dims.batch!, dims.keyWidth!, dims.valueWidth!),
    })),
  attributes: ({ tokens }) => ({ tiled: tokens! % 2, scale: 0.25 }),
  fill: { ...bounded, starts },
  compute: (values, dims, attributes) =>
    dataOf(deltaRuleBackwardOp.reference!(...operandsOf(values, dims, attributes))),
  epsilons: 64,
}

/** How the kernels of the family `delta` are judged. */
export const delta: References<'delta'> = {
  deltaRule_fwd_f32: deltaRule,
  deltaRuleRows_fwd_f32: deltaRuleRows,
  deltaRule_bwd_f32: deltaRuleBackward,
}
