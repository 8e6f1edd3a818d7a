import type { GraphBuilder } from '../ir/build.ts'
import type { Operand } from '../ir/op.ts'
import { clipScale } from '../ops/clipScale.ts'
import { gradientNorm } from '../ops/gradientNorm.ts'
import { gradientSquares, squaresType } from '../ops/gradientSquares.ts'

/**
 * The norm of all gradients on its way through a graph. Each has a state `w.squares` [1, 64] with sums of its squares, which
 * tell a caller whose gradient is not finite; the total goes from one to the next, so that equal layers stay equal.
 */
export class NormOfGradients {
  readonly #g: GraphBuilder
  #total: Operand | undefined

  constructor(g: GraphBuilder) {
    this.#g = g
  }

  /** Adds what the gradient of a weight has of the norm. */
  add(gradient: Operand, weight: string): void {
    const squares = this.#g.state(`${weight}.squares`, squaresType)
    const names = { next: `${squares.name}.next`, total: `${squares.name}.total` }
    const inputs = { squares, gradient, ...(this.#total ? { sum: this.#total } : {}) }
    this.#total = this.#g.apply(gradientSquares, names.next, inputs, {}, names, weight).total
  }

  /** `norm` [1, 1] of those that were added, one or more. */
  finish(): Operand {
    return this.#g.apply(gradientNorm, 'norm', { ...(this.#total ? { squares: this.#total } : {}) }, {})
  }

  /** `clip` [1, 1], which gradients are multiplied by so that their norm is at most this. */
  clip(norm: Operand, most: number): Operand {
    return this.#g.apply(clipScale, 'clip', { norm }, { most })
  }
}
