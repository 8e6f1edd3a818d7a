/** The whole numbers that codes stand for, arranged so that the nearest one of any number is one look-up away. */
export interface Codebook {
  readonly lowest: number
  readonly highest: number
  /** Entry i: the level nearest to every number from lowest + i/2 to lowest + (i + 1)/2. */
  readonly nearest: Float64Array
  /** The codes of `nearest`. */
  readonly codes: Uint8Array
}

/** The codebook in which code i stands for `levels[i]`; the first of equal levels is used. */
export function codebook(levels: readonly number[]): Codebook {
  const lowest = Math.min(...levels)
  const highest = Math.max(...levels)
  const entries = 2 * (highest - lowest) + 1
  const nearest = new Float64Array(entries)
  const codes = new Uint8Array(entries)
  for (let i = 0; i < entries; i++) {
    // Whole levels have their midpoints at multiples of 1/2, so a quarter further on nothing is near two levels.
    const middle = lowest + i / 2 + 0.25
    let best = 0
    levels.forEach((level, code) => {
      if (Math.abs(level - middle) < Math.abs(levels[best]! - middle)) best = code
    })
    nearest[i] = levels[best]!
    codes[i] = best
  }
  return { lowest, highest, nearest, codes }
}

/** The codebook of the whole numbers from `lowest` to `highest`, coded from 0 upwards. */
export function wholeNumbers(lowest: number, highest: number): Codebook {
  return codebook(Array.from({ length: highest - lowest + 1 }, (_, i) => lowest + i))
}

/** Writes the codes of the levels nearest to x · inverse. */
export function writeCodes(
  book: Codebook,
  x: Float64Array,
  from: number,
  count: number,
  inverse: number,
  codes: Uint8Array,
): void {
  const last = book.nearest.length - 1
  const slope = 2 * inverse
  const shift = -2 * book.lowest
  for (let i = from; i < from + count; i++) {
    const at = x[i]! * slope + shift
    codes[i] = book.codes[at > 0 ? (at < last ? at | 0 : last) : 0]!
  }
}
