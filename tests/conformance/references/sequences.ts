import type { Dims } from '../placement.ts'
import type { Fill, Values } from './reference.ts'

/** Token t of sequence t mod the count; the last of each sequence reaches the end of the context. */
export const spread: { readonly [buffer: string]: Fill } = {
  sequences: ({ tokens, sequenceCount }) =>
    Array.from({ length: tokens! }, (_, t) => Math.floor((t * sequenceCount!) / tokens!)),
  positions: ({ tokens, context }, random) => {
    const start = random.whole(context! - tokens! + 1)
    return Array.from({ length: tokens! }, (_, t) => start + t)
  },
}

/** Tokens of each sequence in a row; every second sequence begins, the others go on. The states of those that begin are NaN. */
export const continued: { readonly [buffer: string]: Fill } = {
  sequences: spread.sequences!,
  positions: (dims, random) => {
    const sequences = Array.from(spread.sequences!(dims, random)!)
    return sequences.map((sequence, t) => t - sequences.indexOf(sequence) + (sequence % 2 ? 5 : 0))
  },
}

/** States of sequences, of which every second goes on; NaN in those that begin. */
export const carried =
  (elements: (dims: Dims) => number): Fill =>
  (dims, random) => {
    const each = elements(dims)
    return Array.from({ length: dims.sequenceCount! * each }, (_, i) =>
      Math.floor(i / each) % 2 ? random.normal() : Number.NaN,
    )
  }

/** The states that the kernel leaves, of which those of sequences without tokens stay as they are. */
export function statesAfter({ state, sequences, positions }: Values, each: number): Float64Array[] {
  return Array.from({ length: state!.length / each }, (_, sequence) => {
    const first = sequences!.indexOf(sequence)
    const isNew = first >= 0 && positions![first] === 0
    return isNew ? new Float64Array(each) : state!.slice(sequence * each, (sequence + 1) * each)
  })
}
