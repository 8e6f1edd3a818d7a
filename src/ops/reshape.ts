import { defineOp, type OpDefinition } from '../ir/op.ts'
import { axis, denseRow, widthFrom } from './shapes.ts'

/** The same values with the axes after the first regrouped: `heads` > 0 gives [tokens, heads, width], 0 gives [tokens, all]. */
export const reshape: OpDefinition<'x', 'y', { heads: number }> = defineOp({
  name: 'reshape',
  inputs: { x: ['f32', 'bf16'] },
  outputs: ['y'],
  keepsLogits: true,
  infer({ x }, { heads }, refuse) {
    if (x.shape.length < 2) refuse('x needs two axes or more')
    if (!Number.isInteger(heads) || heads < 0) refuse(`heads is ${heads}; accepted: a whole number, 0 for none`)
    const all = widthFrom(x, 1)
    if (heads > 0 && all % heads !== 0) refuse(`${all} columns do not divide into ${heads} heads`)
    return { y: { dtype: x.dtype, shape: heads > 0 ? [x.shape[0]!, heads, all / heads] : [x.shape[0]!, all] } }
  },
  reference({ x }, { heads }) {
    const [rows = 0, ...rest] = x.shape
    const all = rest.reduce((product, dim) => product * dim, 1)
    return { y: { shape: heads > 0 ? [rows, heads, all / heads] : [rows, all], data: x.data } }
  },
  vjp({ x }, _outputs, { y: dy }, _attributes, g) {
    return { x: g.apply(reshape, 'x', { x: dy }, { heads: x.type.shape.length === 3 ? axis(x.type, 1) : 0 }) }
  },
  lower({ x }, { y }, _attributes, to) {
    to.view(y, x)
  },
  tolerance: { relative: 0 },
  samples: () =>
    (['f32', 'bf16'] as const).map((dtype) => ({
      inputs: { x: { dtype, shape: [3, 12] } },
      attributes: { heads: 4 },
    })),
  refusals: [
    { inputs: { x: denseRow(['tokens', 10]) }, attributes: { heads: -1 }, says: 'heads is -1' },
    { inputs: { x: denseRow(['tokens', 10]) }, attributes: { heads: 4 }, says: 'do not divide' },
  ],
})
