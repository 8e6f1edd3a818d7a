import type { GraphBuilder } from '../ir/build.ts'
import type { Operand } from '../ir/op.ts'
import { squareChunks } from '../kernels/gradient/gradient.kernel.ts'
import { clipScale } from '../ops/clipScale.ts'
import { gradientNorm } from '../ops/gradientNorm.ts'
import { gradientSquares } from '../ops/gradientSquares.ts'

/**
 * The norm of all gradients on its way through a graph: the state `squares` [gradients, 64] has a row of sums for each, which
 * a caller may read to see whose gradient is not finite.
 */
export class NormOfGradients {
  readonly #g: GraphBuilder
  #squares: Operand

  constructor(g: GraphBuilder, gradients: number) {
    this.#g = g
    this.#squares = g.state('squares', { dtype: 'f32', shape: [gradients, squareChunks] })
  }

  /** Adds what a gradient has of the norm; `row` is its own. */
  add(gradient: Operand, row: number, weight: string): void {
    const inputs = { squares: this.#squares, gradient }
    this.#squares = this.#g.apply(gradientSquares, `${weight}.squares`, inputs, { row }, {}, weight)
  }

  /** `norm` [1, 1], once all are added. */
  finish(): Operand {
    return this.#g.apply(gradientNorm, 'norm', { squares: this.#squares }, {})
  }

  /** `clip` [1, 1], which gradients are multiplied by so that their norm is at most this. */
  clip(norm: Operand, most: number): Operand {
    return this.#g.apply(clipScale, 'clip', { norm }, { most })
  }
}
