import type { GraphBuilder } from '../ir/build.ts'
import type { Operand } from '../ir/op.ts'
import { add } from '../ops/add.ts'
import { clipScale } from '../ops/clipScale.ts'
import { gradientNorm } from '../ops/gradientNorm.ts'
import { gradientSquares, squaresType } from '../ops/gradientSquares.ts'

/**
 * The norm of all gradients on its way through a graph. Each has a state `w.squares` [1, 64] with sums of its squares, which
 * tell a caller whose gradient is not finite.
 */
export class NormOfGradients {
  readonly #g: GraphBuilder
  readonly #squares = new Map<string, Operand>()

  constructor(g: GraphBuilder) {
    this.#g = g
  }

  /** Adds what the gradient of a weight has of the norm. */
  add(gradient: Operand, weight: string): void {
    const squares = this.#g.state(`${weight}.squares`, squaresType)
    this.#squares.set(
      weight,
      this.#g.apply(gradientSquares, `${squares.name}.next`, { squares, gradient }, {}, {}, weight),
    )
  }

  /**
   * `norm` [1, 1] of the gradients of these weights, one or more, which were added. The sum is in their order, not in that of
   * the gradients: its bits are the same in every program.
   */
  finish(weights: readonly string[]): Operand {
    const total = weights
      .map((weight) => ({ weight, squares: this.#squares.get(weight)! }))
      .reduce(({ squares: x }, { weight, squares: z }) => ({
        weight,
        squares: this.#g.apply(add, `${weight}.squares.total`, { x, z }, {}, {}, weight),
      }))
    return this.#g.apply(gradientNorm, 'norm', { squares: total.squares }, {})
  }

  /** `clip` [1, 1], which gradients are multiplied by so that their norm is at most this. */
  clip(norm: Operand, most: number): Operand {
    return this.#g.apply(clipScale, 'clip', { norm }, { most })
  }
}
