import { roundToHalf } from '../halfFloats.ts'
import { addLineSums, LineFit, lineError, writeLineCodes } from './fitLine.ts'
import type { Reach } from './fitScale.ts'
import { stretchOf } from './stretch.ts'

/** A block whose groups have whole-number scales and mins: value = d · scale · code − dmin · min. */
export interface LineGroupsShape {
  readonly groups: number
  /** Values per group. */
  readonly count: number
  /** Codes, scales and mins are 0 .. these. */
  readonly topCode: number
  readonly topScale: number
  readonly reach: Reach
}

const mostRefits = 2

/** Fits blocks of such a shape; what the last `fit` found stays here until the next. */
export class LineGroups {
  /** Binary16 numbers. */
  d = 0
  dmin = 0
  readonly scales: Int32Array
  readonly mins: Int32Array
  readonly codes: Uint8Array
  readonly #shape: LineGroupsShape
  readonly #isSearch: boolean
  readonly #fit: LineFit
  readonly #wanted: Float64Array
  readonly #wantedMins: Float64Array
  readonly #trial: Int32Array
  readonly #trialMins: Int32Array
  readonly #sums = new Float64Array(5)

  constructor(shape: LineGroupsShape, isSearch: boolean) {
    const { groups, count, topCode, reach } = shape
    this.#shape = shape
    this.#isSearch = isSearch
    this.#fit = new LineFit(topCode, false, isSearch ? reach : undefined)
    this.scales = new Int32Array(groups)
    this.mins = new Int32Array(groups)
    this.#trial = new Int32Array(groups)
    this.#trialMins = new Int32Array(groups)
    this.#wanted = new Float64Array(groups)
    this.#wantedMins = new Float64Array(groups)
    this.codes = new Uint8Array(groups * count)
  }

  /** Makes Σ w (x − d · scale · code + dmin · min)² of a block small. */
  fit(x: Float64Array, w: Float64Array): void {
    const { groups, count, topCode, topScale } = this.#shape
    let largest = 0
    let largestMin = 0
    for (let g = 0; g < groups; g++) {
      this.#fit.fit(x, w, g * count, count)
      const { scale, offset } = this.#fit
      this.#wanted[g] = scale
      this.#wantedMins[g] = -offset
      if (scale > largest) largest = scale
      if (-offset > largestMin) largestMin = -offset
    }
    this.d = roundToHalf(largest / topScale)
    this.dmin = roundToHalf(largestMin / topScale)
    for (let g = 0; g < groups; g++) {
      this.scales[g] = this.#whole(this.#wanted[g]!, this.d)
      this.mins[g] = this.#whole(this.#wantedMins[g]!, this.dmin)
    }
    if (this.#isSearch) {
      const stretch = stretchOf(x, w, this.#improve(x, w))
      this.d = roundToHalf(this.d * stretch)
      this.dmin = roundToHalf(this.dmin * stretch)
    }
    for (let g = 0; g < groups; g++) {
      writeLineCodes(x, g * count, count, this.d * this.scales[g]!, -this.dmin * this.mins[g]!, topCode, this.codes)
    }
  }

  #whole(value: number, unit: number): number {
    return unit === 0 ? 0 : Math.min(this.#shape.topScale, Math.max(0, Math.round(value / unit)))
  }

  /**
   * Neighbouring scales and mins of each group, then the best d and dmin for what came out; again while that helps. Gives the
   * error.
   */
  #improve(x: Float64Array, w: Float64Array): number {
    let error = this.#settle(x, w, this.d, this.dmin)
    this.#accept()
    for (let refit = 0; refit < mostRefits; refit++) {
      const [d, dmin] = this.#bestUnits(x, w)
      if (!(d > 0 && dmin >= 0) || (d === this.d && dmin === this.dmin)) return error
      const found = this.#settle(x, w, d, dmin)
      if (!(found < error)) return error
      error = found
      this.d = d
      this.dmin = dmin
      this.#accept()
    }
    return error
  }

  #accept(): void {
    this.scales.set(this.#trial)
    this.mins.set(this.#trialMins)
  }

  /** Sets the trial scales and mins to the best near the present ones; gives the block's error. */
  #settle(x: Float64Array, w: Float64Array, d: number, dmin: number): number {
    const { groups, count, topCode, topScale } = this.#shape
    const sums = this.#sums
    let error = 0
    for (let g = 0; g < groups; g++) {
      const from = g * count
      const [weight, total] = weightAndTotal(x, w, from, count)
      const middle = this.scales[g]!
      const middleMin = this.mins[g]!
      let least = Number.POSITIVE_INFINITY
      for (let scale = middle - 1; scale <= middle + 1; scale++) {
        if (scale < 0 || scale > topScale) continue
        let min = middleMin
        // For given codes the best min follows; with it other codes may be nearest, and so on.
        for (let trial = 0; trial < 2; trial++) {
          const found = lineError(x, w, from, count, d * scale, -dmin * min, topCode, sums)
          if (found < least) {
            least = found
            this.#trial[g] = scale
            this.#trialMins[g] = min
          }
          const next = this.#whole((d * scale * sums[0]! - total) / weight, dmin)
          if (next === min) break
          min = next
        }
      }
      error += least
    }
    return error
  }

  /** d and dmin that solve the normal equations for the present codes, scales and mins. */
  #bestUnits(x: Float64Array, w: Float64Array): readonly [number, number] {
    const { groups, count, topCode } = this.#shape
    const sums = this.#sums.fill(0)
    for (let g = 0; g < groups; g++) {
      const scale = this.scales[g]!
      const min = this.mins[g]!
      addLineSums(x, w, g * count, count, this.d * scale, -this.dmin * min, topCode, scale, min, sums)
    }
    const [aa = 0, ab = 0, bb = 0, xa = 0, xb = 0] = sums
    const determinant = aa * bb - ab * ab
    if (determinant > 1e-9 * aa * bb) {
      return [roundToHalf((xa * bb - xb * ab) / determinant), roundToHalf((xa * ab - xb * aa) / determinant)]
    }
    return aa > 0 && bb === 0 ? [roundToHalf(xa / aa), 0] : [this.d, this.dmin]
  }
}

function weightAndTotal(x: Float64Array, w: Float64Array, from: number, count: number): readonly [number, number] {
  let weight = 0
  let total = 0
  for (let i = from; i < from + count; i++) {
    weight += w[i]!
    total += w[i]! * x[i]!
  }
  return [weight, total]
}
