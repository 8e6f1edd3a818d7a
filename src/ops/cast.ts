import { roundToBfloat16 } from '../base/halfFloats.ts'
import { defineOp } from '../ir/op.ts'
import { mapTensor } from '../ir/tensor.ts'
import { narrowForward, widenForward } from '../kernels/cast/cast.kernel.ts'
import { denseRow, widthFrom } from './shapes.ts'

/** The same values in another format: f32 rounded to the nearest bf16, ties to even, or bf16 widened to f32, which is exact. */
export const cast = defineOp({
  name: 'cast',
  inputs: { x: ['f32', 'bf16'] },
  outputs: ['y'],
  infer({ x }, { dtype }: { dtype: string }, refuse) {
    if (x.shape.length < 2) refuse('x needs two axes or more')
    const accepted = x.dtype === 'f32' ? 'bf16' : 'f32'
    if (dtype !== accepted) refuse(`dtype is ${dtype}; accepted of ${x.dtype}: ${accepted}`)
    return { y: { dtype: accepted, shape: x.shape } }
  },
  reference({ x }, { dtype }) {
    return { y: dtype === 'bf16' ? mapTensor(x, roundToBfloat16) : x }
  },
  lower({ x }, { y }, { dtype }, to) {
    const dims = { rows: x.type.shape[0]!, cols: widthFrom(x.type, 1), xRow: to.stride(x), yRow: to.stride(y) }
    to.call(dtype === 'bf16' ? narrowForward : widenForward, { ...dims, x, y })
  },
  tolerance: { relative: 0 },
  samples: (lanes) =>
    [
      [3, lanes - 1],
      [1, 2 * lanes + 1],
      [5, 2, 7],
    ].flatMap((shape) => [
      { inputs: { x: { dtype: 'f32' as const, shape } }, attributes: { dtype: 'bf16' } },
      { inputs: { x: { dtype: 'bf16' as const, shape } }, attributes: { dtype: 'f32' } },
    ]),
  refusals: [
    { inputs: { x: denseRow([4]) }, attributes: { dtype: 'bf16' }, says: 'two axes' },
    { inputs: { x: denseRow(['tokens', 4]) }, attributes: { dtype: 'f16' }, says: 'accepted of f32: bf16' },
    {
      inputs: { x: { dtype: 'bf16', shape: ['tokens', 4] } },
      attributes: { dtype: 'bf16' },
      says: 'accepted of bf16: f32',
    },
  ],
})
