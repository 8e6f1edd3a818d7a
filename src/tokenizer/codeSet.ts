/** A set of code points: ascending, disjoint, inclusive ranges [first, last, first, last, ...]. */
export type CodeSet = readonly number[]

export const lastCodePoint = 0x10ffff
export const emptySet: CodeSet = []

/** The set of all code points in any of `sets`. */
export function unite(...sets: readonly CodeSet[]): CodeSet {
  const ranges: [number, number][] = []
  for (const set of sets) for (let i = 0; i < set.length; i += 2) ranges.push([set[i]!, set[i + 1]!])
  ranges.sort((a, b) => a[0] - b[0])
  const out: number[] = []
  for (const [first, last] of ranges) {
    if (out.length > 0 && first <= out[out.length - 1]! + 1) out[out.length - 1] = Math.max(out[out.length - 1]!, last)
    else out.push(first, last)
  }
  return out
}

/** Every code point that is not in `set`. */
export function complement(set: CodeSet): CodeSet {
  const out: number[] = []
  let next = 0
  for (let i = 0; i < set.length; i += 2) {
    if (set[i]! > next) out.push(next, set[i]! - 1)
    next = set[i + 1]! + 1
  }
  if (next <= lastCodePoint) out.push(next, lastCodePoint)
  return out
}

/** Whether `code` is in `set`. */
export function contains(set: CodeSet, code: number): boolean {
  let low = 0
  let high = set.length / 2
  while (low < high) {
    const middle = (low + high) >> 1
    if (set[2 * middle + 1]! < code) low = middle + 1
    else high = middle
  }
  return low < set.length / 2 && set[2 * low]! <= code
}
