import type { Fill } from './reference.ts'

/** Numbers below the size `limit`, as many as the size `count`. */
export const below = (limit: string, count: string): Fill => {
  return (dims, random) => Array.from({ length: dims[count]! }, () => random.whole(dims[limit]!))
}

/** A sum to begin with, as many numbers as these sizes say, where the last of them is even; else none. */
export const someSum =
  (...axes: readonly string[]): Fill =>
  (dims, random) => {
    const elements = axes.reduce((product, axis) => product * dims[axis]!, 1)
    return dims[axes.at(-1)!]! % 2 ? null : Array.from({ length: elements }, () => random.normal())
  }

/** The rows of `from` that `index` names. */
export const take = (from: Float64Array, index: Float64Array, cols: number) =>
  Float64Array.from({ length: index.length * cols }, (_, i) => from[index[Math.floor(i / cols)]! * cols + (i % cols)]!)

/** What `f` gives for each row of `cols` values. */
export function eachRow(x: Float64Array, cols: number, f: (row: Float64Array) => Float64Array): Float64Array {
  const y = new Float64Array(x.length)
  for (let at = 0; at < x.length; at += cols) y.set(f(x.subarray(at, at + cols)), at)
  return y
}
