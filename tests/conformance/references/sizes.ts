import type { Dims } from '../placement.ts'

/** `count` cases in which every value of every list occurs, neighbours differing. */
export function mixed(count: number, lists: { readonly [dim: string]: readonly number[] }): Dims[] {
  return Array.from({ length: count }, (_, i) =>
    Object.fromEntries(
      Object.entries(lists).map(([dim, list], at) => [
        dim,
        list[(i + Math.floor((i * at) / list.length)) % list.length]!,
      ]),
    ),
  )
}

/** Adds strides that differ from the width, are no multiple of the lanes, or are dense. */
export function strided(dims: readonly Dims[], width: (dims: Dims) => number, ...strides: readonly string[]): Dims[] {
  return dims.map((each, i) => ({
    ...each,
    ...Object.fromEntries(strides.map((stride, at) => [stride, width(each) + [0, 3, 16, 1][(i + at) % 4]!])),
  }))
}

/** Widths around the lanes of a target, and some that are no multiple of any. */
export const around = (lanes: number) => [1, lanes - 1, lanes, lanes + 1, 2 * lanes + 3, 37, 131]

/** Small numbers of rows. */
export const counts = [1, 2, 3, 7]

/** Vectors of these numbers of columns, of which a row has one or three, between strides. */
export const vectorsOf = (cols: readonly number[], ...strides: readonly string[]) =>
  strided(mixed(14, { rows: counts, groups: [1, 3], cols }), ({ groups, cols: width }) => groups! * width!, ...strides)

/** Sizes of a kernel that works on rows of any width. */
export const rowsOf = (lanes: number, wide = 1000) =>
  strided(mixed(16, { rows: counts, cols: [...around(lanes), wide] }), ({ cols }) => cols!, 'xRow', 'yRow')
