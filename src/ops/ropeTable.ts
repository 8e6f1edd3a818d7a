import { defineOp } from '../ir/op.ts'
import { tensor } from '../ir/tensor.ts'
import { ropeTableForward } from '../kernels/rope/rope.kernel.ts'
import { denseRow } from './shapes.ts'

type RopeTableAttributes = { pairs: number; theta: number; scale: number; magnitude?: number }

/**
 * table[t, 0, i] = magnitude · cos, table[t, 1, i] = magnitude · sin of positions[t] · scale · theta^(−i / pairs) / factors[i]
 * (Su et al. 2021). `scale` is 1/f for linear scaling by f; `factors` are those of Llama 3's scaling, of yarn and longrope, and
 * `magnitude` (1 where absent) is the attention factor of these two.
 */
export const ropeTable = defineOp({
  name: 'ropeTable',
  inputs: { positions: ['i32'], factors: ['f32'] },
  optional: ['factors'],
  outputs: ['table'],
  constants: ['factors'],
  infer({ positions, factors }, { pairs, theta, scale, magnitude = 1 }: RopeTableAttributes, refuse) {
    if (positions.shape.length !== 1) refuse(`positions needs one axis, not ${positions.shape.length}`)
    if (!Number.isInteger(pairs) || pairs < 1) refuse(`pairs is ${pairs}; accepted: a whole number of at least 1`)
    if (!(theta > 0)) refuse(`theta is ${theta}; accepted: a number above 0`)
    if (!(scale > 0)) refuse(`scale is ${scale}; accepted: a number above 0`)
    if (!(magnitude > 0)) refuse(`magnitude is ${magnitude}; accepted: a number above 0`)
    if (factors !== undefined && factors.shape[0] !== pairs)
      refuse(`factors is [${factors.shape}]; accepted: [${pairs}]`)
    return { table: { dtype: 'f32', shape: [positions.shape[0]!, 2, pairs] } }
  },
  reference({ positions, factors }, { pairs, theta, scale, magnitude = 1 }) {
    const table = tensor([positions.data.length, 2, pairs])
    positions.data.forEach((position, t) => {
      for (let i = 0; i < pairs; i++) {
        const angle = (position * scale * theta ** (-i / pairs)) / (factors?.data[i] ?? 1)
        table.data[2 * t * pairs + i] = magnitude * Math.cos(angle)
        table.data[(2 * t + 1) * pairs + i] = magnitude * Math.sin(angle)
      }
    })
    return { table }
  },
  lower({ positions, factors }, { table }, { pairs, theta, scale, magnitude = 1 }, to) {
    const tokens = positions.type.shape[0]!
    const attributes = { theta, scale, magnitude }
    to.call(ropeTableForward, { tokens, pairs, ...attributes, positions, factors: factors ?? null, table })
  },
  tolerance: { relative: 1 },
  samples: (lanes) =>
    [1, lanes - 1, lanes + 1].flatMap((pairs) => [
      {
        inputs: { positions: { dtype: 'i32', shape: [5], values: 'iota' } } as const,
        attributes: { pairs, theta: 10000, scale: 1 },
      },
      {
        inputs: {
          positions: { dtype: 'i32', shape: [5], values: { below: 4096 } },
          factors: { dtype: 'f32', shape: [pairs], values: { below: 8 } },
        } as const,
        attributes: { pairs, theta: 500000, scale: 0.25, magnitude: 1.3 },
      },
    ]),
  refusals: [
    {
      inputs: { positions: { dtype: 'i32', shape: ['tokens'] } },
      attributes: { pairs: 4, theta: 10000, scale: 0 },
      says: 'scale is 0',
    },
    {
      inputs: { positions: { dtype: 'i32', shape: ['tokens'] } },
      attributes: { pairs: 4, theta: 10000, scale: 1, magnitude: 0 },
      says: 'magnitude is 0',
    },
    {
      inputs: { positions: { dtype: 'i32', shape: ['tokens'] }, factors: denseRow([3]) },
      attributes: { pairs: 4, theta: 10000, scale: 1 },
      says: 'factors is [3]',
    },
  ],
})
