import type { NoAttributes } from '../ir/graph.ts'
import { defineOp } from '../ir/op.ts'
import { tensor } from '../ir/tensor.ts'
import { takeRowsForward } from '../kernels/rows/rows.kernel.ts'
import { denseRow, lastAxis } from './shapes.ts'
import { takeRowsBackward } from './takeRowsBackward.ts'

/** y[i] = x[index[i]], in f32 */
export const takeRows = defineOp({
  name: 'takeRows',
  inputs: { x: ['f32', 'bf16'], index: ['i32'] },
  outputs: ['y'],
  infer({ x, index }, _attributes: NoAttributes, refuse) {
    if (x.shape.length !== 2 || index.shape.length !== 1) refuse('x needs two axes and index one')
    return { y: { dtype: 'f32', shape: [index.shape[0]!, lastAxis(x)] } }
  },
  reference({ x, index }) {
    const cols = x.shape[1] ?? 0
    const y = tensor([index.data.length, cols])
    index.data.forEach((row, i) => {
      y.data.set(x.data.subarray(row * cols, (row + 1) * cols), i * cols)
    })
    return { y }
  },
  vjp({ x, index }, _outputs, { y: dy }, attributes, g) {
    return { x: g.apply(takeRowsBackward, 'x', { x, index, dy }, attributes) }
  },
  lower({ x, index }, { y }, _attributes, to) {
    const dims = { rows: x.type.shape[0]!, outputs: index.type.shape[0]!, cols: lastAxis(x.type), xRow: to.stride(x) }
    to.call(takeRowsForward[x.type.dtype === 'bf16' ? 'bf16' : 'f32'], { ...dims, x, index, y })
  },
  tolerance: { relative: 0 },
  samples: (lanes) =>
    [1, lanes + 1, lanes + 2].map((cols) => ({
      inputs: {
        x: { dtype: cols === lanes + 2 ? ('bf16' as const) : ('f32' as const), shape: [4, cols] },
        index: { dtype: 'i32', shape: [3], values: { below: 4 } },
      },
      attributes: {},
    })),
  refusals: [
    { inputs: { x: denseRow([4]), index: { dtype: 'i32', shape: ['outputs'] } }, attributes: {}, says: 'two axes' },
  ],
})
