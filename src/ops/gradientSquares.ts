import type { NoAttributes, TensorType } from '../ir/graph.ts'
import { defineOp } from '../ir/op.ts'
import { type Tensor, tensor } from '../ir/tensor.ts'
import { squareChunks, squaresForward } from '../kernels/gradient/gradient.kernel.ts'
import { denseRow, widthFrom } from './shapes.ts'

/** The sums of squares of a gradient. */
export const squaresType: TensorType = { dtype: 'f32', shape: [1, squareChunks] }

/**
 * What a gradient has of the norm of all: its state `squares` [1, 64] written anew, sums of its squares, each over a 64th of
 * the elements (rounded up to whole cache lines). The parts are the same for any number of threads. A gradient that is not
 * finite shows in its squares.
 */
export const gradientSquares = defineOp({
  name: 'gradientSquares',
  inputs: { squares: ['f32'], gradient: ['f32'] },
  outputs: ['next'],
  advances: { next: 'squares' },
  infer({ squares, gradient }, _attributes: NoAttributes, refuse) {
    if (squares.shape.join() !== squaresType.shape.join())
      refuse(`squares is [${squares.shape}]; accepted: [${squaresType.shape}]`)
    if (gradient.shape.some((dim) => typeof dim !== 'number'))
      refuse(`gradient is [${gradient.shape}]; accepted: numbers`)
    return { next: squares }
  },
  reference({ gradient }) {
    return { next: tensor([1, squareChunks], chunkSquares(gradient)) }
  },
  lower({ squares, gradient }, { next }, _attributes, to) {
    to.advance(next, squares)
    to.call(squaresForward, { elements: widthFrom(gradient.type, 0), chunks: squareChunks, x: gradient, sums: next })
  },
  tolerance: { relative: 4 },
  samples: (lanes) =>
    [[1], [3, lanes - 1], [37, 2 * lanes + 1], [5, 1024]].map((shape) => ({
      inputs: {
        squares: { dtype: 'f32' as const, shape: [1, squareChunks] },
        gradient: { dtype: 'f32' as const, shape },
      },
      attributes: {},
    })),
  refusals: [
    {
      inputs: { squares: denseRow([2, 32]), gradient: denseRow([3, 4]) },
      attributes: {},
      says: 'squares is [2,32]; accepted: [1,64]',
    },
    {
      inputs: { squares: squaresType, gradient: denseRow(['tokens', 4]) },
      attributes: {},
      says: 'gradient is [tokens,4]; accepted: numbers',
    },
  ],
})

/** Sums of squares over the chunks of a tensor: its elements in order, a 64th in each, rounded up to whole cache lines. */
export function chunkSquares({ data }: Tensor): Float64Array {
  const sums = new Float64Array(squareChunks)
  const each = Math.ceil(Math.ceil(data.length / squareChunks) / 16) * 16
  data.forEach((value, i) => {
    sums[Math.floor(i / each)]! += value * value
  })
  return sums
}
