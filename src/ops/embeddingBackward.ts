import { defineOp } from '../ir/op.ts'
import { tensor } from '../ir/tensor.ts'
import { takeRowsGradient } from '../kernels/sums/sums.kernel.ts'
import { denseRow, lastAxis } from './shapes.ts'

/** dtable[r] = sum[r] + Σ dy[t] over the tokens t with ids[t] = r ≠ `padding`, in their order; a sum that is absent is 0. */
export const embeddingBackward = defineOp({
  name: 'embeddingBackward',
  inputs: { ids: ['i32'], dy: ['f32'], sum: ['f32'] },
  optional: ['sum'],
  outputs: ['dtable'],
  sums: { dtable: 'sum' },
  infer({ ids, dy, sum }, { rows }: { rows: number; padding?: number }, refuse) {
    if (ids.shape.length !== 1 || dy.shape.length !== 2) refuse('ids needs one axis and dy two')
    if (ids.shape[0] !== dy.shape[0]) refuse(`ids has ${ids.shape[0]} rows and dy has ${dy.shape[0]}`)
    if (!Number.isInteger(rows) || rows < 1) refuse(`rows is ${rows}; accepted: a whole number of at least 1`)
    const shape = [rows, lastAxis(dy)]
    if (sum && sum.shape.join() !== shape.join()) refuse(`sum is [${sum.shape}]; accepted: [${shape}]`)
    return { dtable: { dtype: 'f32', shape } }
  },
  reference({ ids, dy, sum }, { rows, padding }) {
    const cols = dy.shape[1] ?? 0
    const dtable = tensor([rows, cols], sum?.data)
    ids.data.forEach((id, t) => {
      if (id === padding) return
      for (let c = 0; c < cols; c++) dtable.data[id * cols + c]! += dy.data[t * cols + c]!
    })
    return { dtable }
  },
  lower({ ids, dy, sum = null }, { dtable }, { rows, padding = -1 }, to) {
    const dims = { rows, outputs: ids.type.shape[0]!, cols: lastAxis(dy.type) }
    to.call(takeRowsGradient, { ...dims, dyRow: to.stride(dy), without: padding, dy, index: ids, sum, dx: dtable })
  },
  tolerance: { relative: 4 },
  samples: (lanes) =>
    [1, lanes + 1].map((cols) => ({
      inputs: {
        ids: { dtype: 'i32', shape: [5], values: { below: 3 } },
        dy: { dtype: 'f32', shape: [5, cols] },
        ...(cols === 1 ? {} : { sum: { dtype: 'f32', shape: [3, cols] } }),
      },
      attributes: cols === 1 ? { rows: 3 } : { rows: 3, padding: 1 },
    })),
  refusals: [
    {
      inputs: { ids: { dtype: 'i32', shape: [4] }, dy: denseRow([5, 8]) },
      attributes: { rows: 3 },
      says: 'ids has 4 rows and dy has 5',
    },
    {
      inputs: { ids: { dtype: 'i32', shape: ['tokens'] }, dy: denseRow(['tokens', 8]) },
      attributes: { rows: 0 },
      says: 'rows is 0',
    },
    {
      inputs: { ids: { dtype: 'i32', shape: ['tokens'] }, dy: denseRow(['tokens', 8]), sum: denseRow(['tokens', 8]) },
      attributes: { rows: 3 },
      says: 'sum is [tokens,8]; accepted: [3,8]',
    },
  ],
})
