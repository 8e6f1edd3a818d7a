import { defineOp, type OpDefinition } from '../ir/op.ts'
import { tensor } from '../ir/tensor.ts'
import { ropeForward, ropeGradient } from '../kernels/rope/rope.kernel.ts'
import { axis, denseRow } from './shapes.ts'

/** Which elements of a head turn together: `split` pairs i with i + pairs, `pairwise` 2i with 2i + 1. */
export type RopeStyle = 'split' | 'pairwise'

/** `inverse`: turns back, by the negative angles; a magnitude of the table multiplies all the same. Absent: false. */
export type RopeAttributes = { readonly style: RopeStyle; readonly inverse?: boolean }

/** Turns each pair of x [tokens, heads, width] by the angles of table [tokens, 2, pairs]; what is beyond them stays. */
export const rope: OpDefinition<'x' | 'table', 'y', RopeAttributes> = defineOp({
  name: 'rope',
  inputs: { x: ['f32'], table: ['f32'] },
  outputs: ['y'],
  constants: ['table'],
  exact: ['table'],
  infer({ x, table }, { style }, refuse) {
    if (x.shape.length !== 3 || table.shape.length !== 3) refuse('x and table need three axes')
    if (table.shape[1] !== 2) refuse(`table is [${table.shape}]; accepted: [tokens, 2, pairs], cosines and sines`)
    if (x.shape[0] !== table.shape[0]) refuse(`x has ${x.shape[0]} rows and table has ${table.shape[0]}`)
    if (2 * axis(table, 2) > axis(x, 2)) refuse(`${axis(table, 2)} pairs do not fit heads of ${axis(x, 2)}`)
    if (style !== 'split' && style !== 'pairwise') refuse(`style is '${String(style)}'; accepted: split, pairwise`)
    return { y: x }
  },
  reference({ x, table }, { style, inverse = false }) {
    const [tokens = 0, heads = 0, width = 0] = x.shape
    const pairs = table.shape[2] ?? 0
    const y = tensor(x.shape, x.data)
    for (let t = 0; t < tokens; t++) {
      for (let h = 0; h < heads; h++) {
        for (let i = 0; i < pairs; i++) {
          const base = (t * heads + h) * width
          const a = base + (style === 'split' ? i : 2 * i)
          const b = base + (style === 'split' ? i + pairs : 2 * i + 1)
          const cos = table.data[2 * t * pairs + i]!
          const sin = (inverse ? -1 : 1) * table.data[(2 * t + 1) * pairs + i]!
          y.data[a] = x.data[a]! * cos - x.data[b]! * sin
          y.data[b] = x.data[b]! * cos + x.data[a]! * sin
        }
      }
    }
    return { y }
  },
  vjp({ table }, _outputs, { y: dy }, { style, inverse = false }, g) {
    return { x: g.apply(rope, 'x', { x: dy, table }, inverse ? { style } : { style, inverse: true }) }
  },
  lower({ x, table }, { y }, { style, inverse = false }, to) {
    const dims = {
      tokens: x.type.shape[0]!,
      heads: axis(x.type, 1),
      width: axis(x.type, 2),
      pairs: axis(table.type, 2),
    }
    to.call((inverse ? ropeGradient : ropeForward)[style], {
      ...dims,
      xRow: to.stride(x),
      yRow: to.stride(y),
      x,
      table,
      y,
    })
  },
  tolerance: { relative: 3 },
  samples: (lanes) =>
    (['split', 'pairwise'] as const).flatMap((style) =>
      [
        [2, 1],
        [10, 5],
        [2 * lanes, lanes],
        [4 * lanes + 6, 2 * lanes + 1],
        [24, 8],
      ].map(([width = 0, pairs = 0], i) => ({
        inputs: {
          x: { dtype: 'f32' as const, shape: [3, 2, width] },
          table: { dtype: 'f32' as const, shape: [3, 2, pairs] },
        },
        attributes: i % 2 ? { style, inverse: true } : { style },
      })),
    ),
  refusals: [
    {
      inputs: { x: denseRow(['tokens', 2, 8]), table: denseRow(['tokens', 3, 4]) },
      attributes: { style: 'split' },
      says: 'accepted: [tokens, 2, pairs]',
    },
    {
      inputs: { x: denseRow(['tokens', 2, 8]), table: denseRow(['tokens', 2, 5]) },
      attributes: { style: 'split' },
      says: '5 pairs do not fit heads of 8',
    },
  ],
})
