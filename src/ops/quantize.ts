import type { NoAttributes } from '../ir/graph.ts'
import { defineOp } from '../ir/op.ts'
import { rowsAndCols, tensor } from '../ir/tensor.ts'
import { quantizeForward } from '../kernels/quantize/quantize.kernel.ts'
import { denseRow, lastAxis } from './shapes.ts'

/** Elements that share a scale in an a8 row. */
const blockElements = 32

/** y = x in the a8 format: per 32 values a scale (largest magnitude / 127) and 8-bit codes. */
export const quantize = defineOp({
  name: 'quantize',
  inputs: { x: ['f32'] },
  outputs: ['y'],
  infer({ x }, _attributes: NoAttributes, refuse) {
    if (x.shape.length !== 2) refuse(`x needs two axes, not ${x.shape.length}`)
    if (lastAxis(x) % blockElements !== 0)
      refuse(`x has ${lastAxis(x)} columns; accepted: a multiple of ${blockElements}`)
    return { y: { dtype: 'a8', shape: x.shape } }
  },
  reference({ x }) {
    const { rows, cols } = rowsAndCols(x)
    const y = tensor(x.shape)
    for (let at = 0; at < rows * cols; at += blockElements) {
      const block = x.data.subarray(at, at + blockElements)
      const scale = block.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0) / 127
      block.forEach((value, i) => {
        y.data[at + i] = scale === 0 ? 0 : Math.round(value / scale) * scale
      })
    }
    return { y }
  },
  lower({ x }, { y }, _attributes, to) {
    const cols = lastAxis(x.type)
    const pieces = cols / blockElements
    to.call(quantizeForward, { tokens: x.type.shape[0]!, cols, pieces, xRow: to.stride(x), x, y })
  },
  // A code may fall to either side of a tie, and the scale is an f32: one code of 127 is the most that may differ.
  tolerance: { relative: 2 ** 23 / 120, nmse: 1e-5 },
  samples: () => [32, 96].map((cols) => ({ inputs: { x: { dtype: 'f32', shape: [3, cols] } }, attributes: {} })),
  refusals: [{ inputs: { x: denseRow(['tokens', 33]) }, attributes: {}, says: '33 columns' }],
})
