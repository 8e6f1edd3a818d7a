import { defineOp } from '../ir/op.ts'
import { type Tensor, tensor } from '../ir/tensor.ts'
import { squareChunks, squaresRowForward } from '../kernels/gradient/gradient.kernel.ts'
import { axis, denseRow, widthFrom } from './shapes.ts'

/**
 * The state `squares` [gradients, 64] with its row `row` written anew: sums of the squares of a gradient, each over a 64th of
 * its elements (rounded up to whole cache lines). The parts are the same for any number of threads.
 */
export const gradientSquares = defineOp({
  name: 'gradientSquares',
  inputs: { squares: ['f32'], gradient: ['f32'] },
  outputs: ['next'],
  advances: { next: 'squares' },
  infer({ squares, gradient }, { row }: { row: number }, refuse) {
    if (squares.shape.length !== 2 || axis(squares, 1) !== squareChunks)
      refuse(`squares is [${squares.shape}]; accepted: [gradients,${squareChunks}]`)
    if (!(Number.isInteger(row) && row >= 0 && row < axis(squares, 0)))
      refuse(`row is ${row}; accepted: 0 to ${axis(squares, 0) - 1}`)
    if (gradient.shape.some((dim) => typeof dim !== 'number'))
      refuse(`gradient is [${gradient.shape}]; accepted: numbers`)
    return { next: squares }
  },
  reference({ squares, gradient }, { row }) {
    const next = tensor(squares.shape, squares.data)
    next.data.set(chunkSquares(gradient), row * squareChunks)
    return { next }
  },
  lower({ squares, gradient }, { next }, { row }, to) {
    to.advance(next, squares)
    const dims = { elements: widthFrom(gradient.type, 0), rows: axis(squares.type, 0), chunks: squareChunks }
    to.call(squaresRowForward, { ...dims, row, x: gradient, sums: next })
  },
  tolerance: { relative: 4 },
  samples: (lanes) =>
    [[1], [3, lanes - 1], [37, 2 * lanes + 1], [5, 1024]].map((shape, row) => ({
      inputs: { squares: { dtype: 'f32', shape: [4, squareChunks] }, gradient: { dtype: 'f32', shape } },
      attributes: { row },
    })),
  refusals: [
    {
      inputs: { squares: denseRow([2, 32]), gradient: denseRow([3, 4]) },
      attributes: { row: 0 },
      says: 'squares is [2,32]; accepted: [gradients,64]',
    },
    {
      inputs: { squares: denseRow([2, squareChunks]), gradient: denseRow([3, 4]) },
      attributes: { row: 2 },
      says: 'row is 2; accepted: 0 to 1',
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
