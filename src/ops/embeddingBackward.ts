import { defineOp } from '../ir/op.ts'
import { tensor } from '../ir/tensor.ts'
import { refuseLowering } from './missingKernel.ts'
import { denseRow, lastAxis } from './shapes.ts'

/** dtable[r] = Σ dy[t] over the tokens t with ids[t] = r, in their order; 0 for a row that none has, and for `padding`. */
export const embeddingBackward = defineOp({
  name: 'embeddingBackward',
  inputs: { ids: ['i32'], dy: ['f32'] },
  outputs: ['dtable'],
  infer({ ids, dy }, { rows }: { rows: number; padding?: number }, refuse) {
    if (ids.shape.length !== 1 || dy.shape.length !== 2) refuse('ids needs one axis and dy two')
    if (ids.shape[0] !== dy.shape[0]) refuse(`ids has ${ids.shape[0]} rows and dy has ${dy.shape[0]}`)
    if (!Number.isInteger(rows) || rows < 1) refuse(`rows is ${rows}; accepted: a whole number of at least 1`)
    return { dtable: { dtype: 'f32', shape: [rows, lastAxis(dy)] } }
  },
  reference({ ids, dy }, { rows, padding }) {
    const cols = dy.shape[1] ?? 0
    const dtable = tensor([rows, cols])
    ids.data.forEach((id, t) => {
      if (id === padding) return
      for (let c = 0; c < cols; c++) dtable.data[id * cols + c]! += dy.data[t * cols + c]!
    })
    return { dtable }
  },
  lower({ dy }) {
    refuseLowering(dy, 'the gradient of embedding')
  },
  tolerance: { relative: 4 },
  samples: (lanes) =>
    [1, lanes + 1].map((cols) => ({
      inputs: { ids: { dtype: 'i32', shape: [5], values: { below: 3 } }, dy: { dtype: 'f32', shape: [5, cols] } },
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
  ],
})
