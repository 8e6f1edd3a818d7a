import { roundToHalf } from '../halfFloats.ts'
import { type Codebook, writeCodes } from './codebook.ts'
import { addScaleSums, type Reach, ScaleFit, scaleError } from './fitScale.ts'
import { stretchOf } from './stretch.ts'

/** A block whose groups have whole-number scales: value = d · scale · level. */
export interface ScaleGroupsShape {
  readonly book: Codebook
  readonly groups: number
  /** Values per group. */
  readonly count: number
  readonly lowestScale: number
  readonly highestScale: number
  readonly reach: Reach
}

const mostRefits = 2

/** Fits blocks of such a shape; what the last `fit` found stays here until the next. */
export class ScaleGroups {
  /** A binary16 number. */
  d = 0
  readonly scales: Int32Array
  readonly codes: Uint8Array
  readonly #shape: ScaleGroupsShape
  readonly #isSearch: boolean
  readonly #fit: ScaleFit
  readonly #wanted: Float64Array
  readonly #trial: Int32Array
  readonly #sums = new Float64Array(2)

  constructor(shape: ScaleGroupsShape, isSearch: boolean) {
    this.#shape = shape
    this.#isSearch = isSearch
    this.#fit = new ScaleFit(shape.book, isSearch ? shape.reach : undefined)
    this.scales = new Int32Array(shape.groups)
    this.#trial = new Int32Array(shape.groups)
    this.#wanted = new Float64Array(shape.groups)
    this.codes = new Uint8Array(shape.groups * shape.count)
  }

  /** Makes Σ w (x − d · scale · level)² of a block small. */
  fit(x: Float64Array, w: Float64Array): void {
    const { book, groups, count, lowestScale, highestScale } = this.#shape
    let extreme = 0
    for (let g = 0; g < groups; g++) {
      const scale = this.#fit.fit(x, w, g * count, count)
      this.#wanted[g] = scale
      if (Math.abs(scale) > Math.abs(extreme)) extreme = scale
    }
    this.d = roundToHalf(extreme / lowestScale)
    for (let g = 0; g < groups; g++) {
      const scale = this.d === 0 ? 0 : Math.round(this.#wanted[g]! / this.d)
      this.scales[g] = Math.min(highestScale, Math.max(lowestScale, scale))
    }
    if (this.#isSearch && this.d !== 0) this.d = roundToHalf(this.d * stretchOf(x, w, this.#improve(x, w)))
    for (let g = 0; g < groups; g++) {
      const scale = this.d * this.scales[g]!
      writeCodes(book, x, g * count, count, scale === 0 ? 0 : 1 / scale, this.codes)
    }
  }

  /** Neighbouring scales of each group, then the best d for what came out; again while that helps. Gives the error. */
  #improve(x: Float64Array, w: Float64Array): number {
    let error = this.#settle(x, w, this.d)
    this.scales.set(this.#trial)
    for (let refit = 0; refit < mostRefits; refit++) {
      const d = this.#bestD(x, w)
      if (d === this.d || d === 0) return error
      const found = this.#settle(x, w, d)
      if (!(found < error)) return error
      error = found
      this.d = d
      this.scales.set(this.#trial)
    }
    return error
  }

  /** Sets the trial scales to the best among the neighbours of `scales` for `d`; gives the block's error. */
  #settle(x: Float64Array, w: Float64Array, d: number): number {
    const { book, groups, count, lowestScale, highestScale } = this.#shape
    let error = 0
    for (let g = 0; g < groups; g++) {
      const middle = this.scales[g]!
      let best = middle
      let least = scaleError(book, x, w, g * count, count, d * middle)
      // Below, above, and of the other sign, which swaps the ends of a lopsided codebook.
      for (const scale of [middle - 1, middle + 1, -middle]) {
        if (scale < lowestScale || scale > highestScale) continue
        const found = scaleError(book, x, w, g * count, count, d * scale)
        if (found < least) {
          least = found
          best = scale
        }
      }
      this.#trial[g] = best
      error += least
    }
    return error
  }

  #bestD(x: Float64Array, w: Float64Array): number {
    const { book, groups, count } = this.#shape
    const sums = this.#sums.fill(0)
    for (let g = 0; g < groups; g++) {
      const scale = this.scales[g]!
      addScaleSums(book, x, w, g * count, count, this.d * scale, scale, sums)
    }
    return sums[1]! > 0 ? roundToHalf(sums[0]! / sums[1]!) : 0
  }
}
