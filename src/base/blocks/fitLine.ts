import type { Reach } from './fitScale.ts'

/** How often a search halves its step around the best factor. */
const halvings = 2
const mostRefits = 3

/** Parts of a step by which a search moves the offset. */
const shifts = [-0.4, -0.2, 0.2, 0.4]

/** From this factor on, codes are also tried that clip the values at both ends rather than only above. */
const clippingFactor = 1.05

/** Rounds to the nearest whole number, ties to even, for magnitudes below 2^51. */
const rounder = 6755399441055744

/** Finds scales and offsets of groups of values: value = scale · code + offset, codes 0 .. top, scale >= 0. */
export class LineFit {
  readonly #top: number
  readonly #mayBePositive: boolean
  readonly #factors: readonly number[]
  readonly #step: number
  readonly #isSearch: boolean
  /** Sums of the last tally: w·code, w·code², w·x·code. */
  readonly #sums = new Float64Array(3)
  #weight = 0
  #total = 0
  #gain = 0
  #trialScale = 0
  #trialOffset = 0
  /** What the last `fit` found. */
  scale = 0
  offset = 0

  /** `mayBePositive`: whether the format has offsets above 0. Without `reach` the codes span the values exactly. */
  constructor(top: number, mayBePositive: boolean, reach: Reach | undefined) {
    this.#top = top
    this.#mayBePositive = mayBePositive
    const { from, to, steps } = reach ?? { from: 1, to: 1, steps: 1 }
    this.#step = steps > 1 ? (to - from) / (steps - 1) : 0
    this.#factors = Array.from({ length: steps }, (_, i) => from + i * this.#step)
    this.#isSearch = reach !== undefined
  }

  /**
   * Sets `scale` and `offset` so that Σ w (x − scale · code − offset)² of `count` values from `from` on is small. For given
   * codes both come from the normal equations; what they take off Σ w x² is scale · Σ w x code + offset · Σ w x.
   */
  fit(x: Float64Array, w: Float64Array, from: number, count: number): void {
    let lowest = x[from]!
    let highest = lowest
    let weight = 0
    let total = 0
    for (let i = from, end = from + count; i < end; i++) {
      const value = x[i]!
      if (value < lowest) lowest = value
      if (value > highest) highest = value
      weight += w[i]!
      total += w[i]! * value
    }
    if (!this.#mayBePositive && lowest > 0) lowest = 0
    this.#weight = weight
    this.#total = total
    const span = highest - lowest
    this.scale = 0
    this.offset = this.#mayBePositive ? lowest : Math.min(lowest, 0)
    if (!(span > 0)) return
    this.#gain = Number.NEGATIVE_INFINITY
    const top = this.#top
    if (!this.#isSearch) {
      this.scale = span / top
      return
    }
    let best = 1
    for (const factor of this.#factors) {
      if (this.#try(x, w, from, count, (top * factor) / span, lowest)) best = factor
      if (factor < clippingFactor) continue
      this.#try(x, w, from, count, (top * factor) / span, lowest + (span * (1 - 1 / factor)) / 2)
    }
    let step = this.#step
    for (let halving = 0; halving < halvings; halving++) {
      step /= 2
      const middle = best
      for (const factor of [middle - step, middle + step]) {
        if (this.#try(x, w, from, count, (top * factor) / span, lowest)) best = factor
      }
    }
    // Where most values lie within one step, it matters where in the step.
    const inverse = (top * best) / span
    for (const shift of shifts) this.#try(x, w, from, count, inverse, lowest + shift / inverse)
    for (let refit = 0; refit < mostRefits && this.scale > 0; refit++) {
      if (!this.#try(x, w, from, count, 1 / this.scale, this.offset)) break
    }
  }

  /** Takes the line through the codes of (x − offset) · inverse where it is better than the best so far. */
  #try(x: Float64Array, w: Float64Array, from: number, count: number, inverse: number, offset: number): boolean {
    tally(x, w, from, count, inverse, offset, this.#top, this.#sums)
    const gain = this.#solve()
    if (!(gain > this.#gain)) return false
    this.#gain = gain
    this.scale = this.#trialScale
    this.offset = this.#trialOffset
    return true
  }

  #solve(): number {
    // By index: an iterator would cost more than the sums.
    const codes = this.#sums[0]!
    const squares = this.#sums[1]!
    const products = this.#sums[2]!
    const weight = this.#weight
    const total = this.#total
    const determinant = weight * squares - codes * codes
    let scale = 0
    let offset = total / weight
    if (determinant > 0) {
      scale = (weight * products - total * codes) / determinant
      offset = (squares * total - codes * products) / determinant
    }
    if (!this.#mayBePositive && offset > 0) {
      offset = 0
      scale = squares > 0 ? products / squares : 0
    }
    this.#trialScale = scale
    this.#trialOffset = offset
    return scale * products + offset * total
  }
}

function tally(
  x: Float64Array,
  w: Float64Array,
  from: number,
  count: number,
  inverse: number,
  offset: number,
  top: number,
  sums: Float64Array,
): void {
  let codes = 0
  let squares = 0
  let products = 0
  for (let i = from, end = from + count; i < end; i++) {
    const value = x[i]!
    let code = (value - offset) * inverse + rounder - rounder
    code = code > 0 ? (code < top ? code : top) : 0
    const weighted = w[i]! * code
    codes += weighted
    squares += weighted * code
    products += weighted * value
  }
  sums[0] = codes
  sums[1] = squares
  sums[2] = products
}

/** Writes the codes 0 .. top nearest to (x − offset) / scale; zeros for a scale of 0. */
export function writeLineCodes(
  x: Float64Array,
  from: number,
  count: number,
  scale: number,
  offset: number,
  top: number,
  codes: Uint8Array,
): void {
  const inverse = scale === 0 ? 0 : 1 / scale
  for (let i = from, end = from + count; i < end; i++) {
    const code = (x[i]! - offset) * inverse + rounder - rounder
    codes[i] = code > 0 ? (code < top ? code : top) : 0
  }
}

/** Σ w (x − scale · code − offset)² with the nearest codes; `sums` gets Σ w · code. */
export function lineError(
  x: Float64Array,
  w: Float64Array,
  from: number,
  count: number,
  scale: number,
  offset: number,
  top: number,
  sums: Float64Array,
): number {
  const inverse = scale === 0 ? 0 : 1 / scale
  let error = 0
  let codes = 0
  for (let i = from, end = from + count; i < end; i++) {
    const value = x[i]!
    let code = (value - offset) * inverse + rounder - rounder
    code = code > 0 ? (code < top ? code : top) : 0
    const miss = value - scale * code - offset
    const weight = w[i]!
    error += weight * miss * miss
    codes += weight * code
  }
  sums[0] = codes
  return error
}

/** Adds the sums of w over aa, ab, bb, xa, xb for x ≈ d · a − e · b, with a = factor · code and b = `least`, to `sums`. */
export function addLineSums(
  x: Float64Array,
  w: Float64Array,
  from: number,
  count: number,
  scale: number,
  offset: number,
  top: number,
  factor: number,
  least: number,
  sums: Float64Array,
): void {
  const inverse = scale === 0 ? 0 : 1 / scale
  let [aa, ab, bb, xa, xb] = [0, 0, 0, 0, 0]
  for (let i = from, end = from + count; i < end; i++) {
    const value = x[i]!
    let code = (value - offset) * inverse + rounder - rounder
    code = code > 0 ? (code < top ? code : top) : 0
    const a = factor * code
    const weight = w[i]!
    aa += weight * a * a
    ab += weight * a
    bb += weight
    xa += weight * value * a
    xb += weight * value
  }
  sums[0]! += aa
  sums[1]! += ab * least
  sums[2]! += bb * least * least
  sums[3]! += xa
  sums[4]! += xb * least
}
