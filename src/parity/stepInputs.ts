import { type Tensor, tensor } from '../ir/tensor.ts'

/** The inputs of a training graph for sequences one behind the other; the last token of each has no target. */
export function stepInputs(batch: readonly (readonly number[])[]): { readonly [input: string]: Tensor } {
  const places = batch.flatMap((ids, at) => ids.map((_, position) => ({ start: at * ids.length, position, ids })))
  const perToken = (values: readonly number[]) => tensor([values.length], values)
  const targets = places.map(({ position, ids }) => ids[position + 1] ?? -1)
  return {
    ids: perToken(batch.flat()),
    positions: perToken(places.map(({ position }) => position)),
    starts: perToken(places.map(({ start }) => start)),
    targets: perToken(targets),
    total: tensor([1, 1], [targets.filter((target) => target >= 0).length]),
  }
}
