import { dtypes, weightDtypes } from '../base/dtypes.ts'
import { defineOp } from '../ir/op.ts'
import { tensor } from '../ir/tensor.ts'
import { embeddingForward } from '../kernels/embedding/embedding.kernel.ts'
import { embeddingBackward } from './embeddingBackward.ts'
import { axis, denseRow, lastAxis, weightDtypeOf } from './shapes.ts'

/** `padding`: the id of the token that only fills room, whose row gets no gradient from here; absent: there is none. */
export type EmbeddingAttributes = { readonly padding?: number }

/** Refuses a padding that is no row of the table. */
export function checkPadding(padding: number | undefined, rows: number, refuse: (what: string) => never): void {
  if (padding !== undefined && !(Number.isInteger(padding) && padding >= 0 && padding < rows))
    refuse(`padding is ${padding}; accepted: a row of the table, 0 to ${rows - 1}`)
}

/** y[t] = table[ids[t]] */
export const embedding = defineOp({
  name: 'embedding',
  inputs: { ids: ['i32'], table: weightDtypes },
  outputs: ['y'],
  infer({ ids, table }, { padding }: EmbeddingAttributes, refuse) {
    if (ids.shape.length !== 1) refuse(`ids needs one axis, not ${ids.shape.length}`)
    if (table.shape.length !== 2) refuse(`table needs two axes, not ${table.shape.length}`)
    checkPadding(padding, axis(table, 0), refuse)
    return { y: { dtype: 'f32', shape: [ids.shape[0]!, lastAxis(table)] } }
  },
  reference({ ids, table }) {
    const cols = table.shape[1] ?? 0
    const y = tensor([ids.data.length, cols])
    ids.data.forEach((id, t) => {
      y.data.set(table.data.subarray(id * cols, (id + 1) * cols), t * cols)
    })
    return { y }
  },
  vjp({ ids, table }, _outputs, { y: dy }, attributes, g) {
    return { table: g.apply(embeddingBackward, 'table', { ids, dy }, { rows: axis(table.type, 0), ...attributes }) }
  },
  lower({ ids, table }, { y }, _attributes, to) {
    const dims = { tokens: ids.type.shape[0]!, rows: table.type.shape[0]!, cols: lastAxis(table.type) }
    to.call(embeddingForward[weightDtypeOf(table.type)], { ...dims, ids, w: table, y })
  },
  // A value with an offset is rounded to f32; all others are exact.
  tolerance: { relative: 0.5 },
  samples: (lanes) =>
    weightDtypes.flatMap((dtype) =>
      [1, lanes + 1].map((rows) => ({
        inputs: {
          ids: { dtype: 'i32', shape: [5], values: { below: rows } },
          table: { dtype, shape: [rows, Math.max(64, dtypes[dtype].blockElements)] },
        } as const,
        attributes: {},
      })),
    ),
  refusals: [
    {
      inputs: { ids: { dtype: 'i32', shape: ['tokens', 2] }, table: denseRow([4, 8]) },
      attributes: {},
      says: 'one axis',
    },
    {
      inputs: { ids: { dtype: 'i32', shape: ['tokens'] }, table: denseRow([4, 8]) },
      attributes: { padding: 4 },
      says: 'padding is 4; accepted: a row of the table, 0 to 3',
    },
  ],
})
