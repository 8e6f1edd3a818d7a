import type { Dims } from '../placement.ts'
import type { Fill, Values } from './reference.ts'

/** Sequences of one to five tokens within each row of the batch; none are given where there are `batch` rows of one. */
export const starts: Fill = ({ tokens, batch }, random) => {
  const length = tokens! / batch!
  if (length === 1) return null
  const begins: number[] = []
  for (let t = 0; t < tokens!; t++) begins.push(t % length === 0 || random.whole(5) === 0 ? t : begins[t - 1]!)
  return begins
}

/** The row at which the sequence of token t begins. */
export function startOf({ starts }: Values, { tokens, batch }: Dims, t: number): number {
  const length = tokens! / batch!
  return Math.max(starts?.[t] ?? 0, t - (t % length))
}
