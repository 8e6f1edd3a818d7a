import type { Codebook } from './codebook.ts'

/** Where a search looks: the extreme value of a group becomes level · factor, `steps` factors evenly from `from` to `to`. */
export interface Reach {
  readonly from: number
  readonly to: number
  readonly steps: number
}

/** How often a search halves its step around the best factor. */
const halvings = 2
const mostRefits = 3

/** Less than this is rounding, and no reason to prefer another scale. */
const leastAdvance = 1 + 1e-9

/** Finds scales of groups of values that a codebook codes: value = scale · level. */
export class ScaleFit {
  readonly #book: Codebook
  readonly #factors: readonly number[]
  readonly #step: number
  readonly #ends: readonly number[]
  /** Sums of the last tally: w·x·level, w·level². */
  readonly #sums = new Float64Array(2)

  /** Without `reach` nothing is searched: the extreme value becomes the outermost level. */
  constructor(book: Codebook, reach: Reach | undefined) {
    this.#book = book
    const { from, to, steps } = reach ?? { from: 1, to: 1, steps: 1 }
    this.#step = steps > 1 ? (to - from) / (steps - 1) : 0
    // From small scales to large ones: a group of one outlier has no error with several levels, and a block that shares
    // one unit among its groups wants their scales small.
    this.#factors = Array.from({ length: steps }, (_, i) => to - i * this.#step)
    const { lowest, highest } = book
    const isLopsided = lowest !== -highest
    // The sign of the scale decides which end of a lopsided codebook the extreme value gets.
    if (!isLopsided) this.#ends = [highest]
    else if (reach) this.#ends = [lowest, highest]
    else this.#ends = [-lowest > highest ? lowest : highest]
  }

  /**
   * The scale s that makes Σ w (x − s · level)² of `count` values from `from` on small, with the nearest levels; 0 for
   * zeros. For given levels the best scale is Σ w x level / Σ w level², and what it takes off Σ w x² is
   * (Σ w x level)² / Σ w level²; candidates are compared by that.
   */
  fit(x: Float64Array, w: Float64Array, from: number, count: number): number {
    const extreme = extremeOf(x, from, count)
    if (extreme === 0) return 0
    const book = this.#book
    const sums = this.#sums
    let best = 0
    let gain = 0
    for (const end of this.#ends) {
      for (const factor of this.#factors) {
        const inverse = (end * factor) / extreme
        const found = tally(book, x, w, from, count, inverse, sums)
        if (found > gain * leastAdvance) {
          gain = found
          best = inverse
        }
      }
    }
    if (this.#step > 0) {
      let step = (this.#step * book.highest) / Math.abs(extreme)
      for (let halving = 0; halving < halvings; halving++) {
        step /= 2
        const middle = best
        for (const inverse of [middle - step, middle + step]) {
          const found = tally(book, x, w, from, count, inverse, sums)
          if (found > gain * leastAdvance) {
            gain = found
            best = inverse
          }
        }
      }
    }
    gain = tally(book, x, w, from, count, best, sums)
    let scale = gain > 0 ? sums[0]! / sums[1]! : 0
    if (this.#step === 0) return scale
    for (let refit = 0; refit < mostRefits && scale !== 0; refit++) {
      const found = tally(book, x, w, from, count, 1 / scale, sums)
      if (!(found > gain)) break
      gain = found
      scale = sums[0]! / sums[1]!
    }
    return scale
  }
}

/** The value of largest magnitude, with its sign. */
function extremeOf(x: Float64Array, from: number, count: number): number {
  let extreme = 0
  let magnitude = 0
  for (let i = from, end = from + count; i < end; i++) {
    const value = x[i]!
    const size = value < 0 ? -value : value
    if (size > magnitude) {
      magnitude = size
      extreme = value
    }
  }
  return extreme
}

/** What the best scale for the levels nearest to x · inverse takes off Σ w x²; its two sums go to `sums`. */
function tally(
  book: Codebook,
  x: Float64Array,
  w: Float64Array,
  from: number,
  count: number,
  inverse: number,
  sums: Float64Array,
): number {
  const { nearest } = book
  const last = nearest.length - 1
  const slope = 2 * inverse
  const shift = -2 * book.lowest
  let products = 0
  let squares = 0
  for (let i = from, end = from + count; i < end; i++) {
    const value = x[i]!
    let at = value * slope + shift
    at = at > 0 ? at : 0
    const level = nearest[(at < last ? at : last) | 0]!
    const weighted = w[i]! * level
    products += weighted * value
    squares += weighted * level
  }
  sums[0] = products
  sums[1] = squares
  return squares > 0 ? (products * products) / squares : 0
}

/** Σ w (x − scale · nearest level)². */
export function scaleError(
  book: Codebook,
  x: Float64Array,
  w: Float64Array,
  from: number,
  count: number,
  scale: number,
): number {
  const { nearest } = book
  const last = nearest.length - 1
  const slope = scale === 0 ? 0 : 2 / scale
  const shift = -2 * book.lowest
  let error = 0
  for (let i = from, end = from + count; i < end; i++) {
    const value = x[i]!
    let at = value * slope + shift
    at = at > 0 ? at : 0
    const level = nearest[(at < last ? at : last) | 0]!
    const miss = value - scale * level
    error += w[i]! * miss * miss
  }
  return error
}

/** Adds Σ w x t and Σ w t² of t = factor · nearest level of x / scale to `sums`. */
export function addScaleSums(
  book: Codebook,
  x: Float64Array,
  w: Float64Array,
  from: number,
  count: number,
  scale: number,
  factor: number,
  sums: Float64Array,
): void {
  const { nearest } = book
  const last = nearest.length - 1
  const slope = scale === 0 ? 0 : 2 / scale
  const shift = -2 * book.lowest
  let products = 0
  let squares = 0
  for (let i = from, end = from + count; i < end; i++) {
    const value = x[i]!
    let at = value * slope + shift
    at = at > 0 ? at : 0
    const t = factor * nearest[(at < last ? at : last) | 0]!
    products += w[i]! * value * t
    squares += w[i]! * t * t
  }
  sums[0]! += products
  sums[1]! += squares
}
