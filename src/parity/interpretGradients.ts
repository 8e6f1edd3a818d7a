import { fail } from '../base/errors.ts'
import type { Checkpoint } from '../formats/checkpoint.ts'
import { interpret } from '../ir/interpret.ts'
import { type Tensor, tensor } from '../ir/tensor.ts'
import { ops } from '../ops/registry.ts'
import { gradientName } from '../passes/differentiate.ts'
import { trainingGraph } from '../passes/trainingGraph.ts'
import type { Model } from '../templates/readModel.ts'
import { weightTensor } from '../templates/weightRows.ts'
import { storedGradients } from './storedGradients.ts'

/** A loss, and its gradients by the checkpoint's own tensor names, in their shapes. */
export interface Gradients {
  readonly loss: number
  readonly tensors: ReadonlyMap<string, Tensor>
}

/**
 * The mean cross-entropy of every token but the first of each sequence, given those before it, and its gradients in float64
 * by the interpreter: slow and plain. `batch`: sequences of one length of at least 2, each from position 0. Refuses encoders,
 * which continue no text.
 */
export function interpretGradients(
  checkpoint: Checkpoint,
  model: Model,
  batch: readonly (readonly number[])[],
): Gradients {
  if (model.sizes.embedding !== undefined) {
    const accepted = 'a model that continues text, no encoder'
    fail('option_invalid', { option: 'MODEL', found: checkpoint.path, accepted })
  }
  const isStored = (weight: string) => model.sources.get(weight)?.from === 'tensor'
  const { graph, trainable } = trainingGraph(model.graph, (weight) => !isStored(weight))
  const inputs = stepInputs(batch)
  const results = interpret(graph, ops, {
    given: (name) => {
      const values = inputs[name]
      if (values) return tensor([values.length], values)
      const weight = graph.weights.find((candidate) => candidate.name === name)!
      return weightTensor(checkpoint, model, weight.sources, weight.type.shape.map(Number))
    },
  })
  const gradients = new Map(trainable.map((weight) => [weight, results.get(gradientName(weight))!]))
  const [loss = Number.NaN] = results.get('loss')!.data
  return { loss, tensors: storedGradients(checkpoint, model, gradients) }
}

/** The inputs of a training graph for sequences one behind the other; a row of logits for each token that has a next one. */
function stepInputs(batch: readonly (readonly number[])[]): { readonly [input: string]: readonly number[] } {
  const places = batch.flatMap((ids, at) => ids.map((_, position) => ({ start: at * ids.length, position, ids })))
  const predicting = places.filter(({ position, ids }) => position + 1 < ids.length)
  return {
    ids: batch.flat(),
    positions: places.map(({ position }) => position),
    starts: places.map(({ start }) => start),
    output_index: predicting.map(({ start, position }) => start + position),
    targets: predicting.map(({ position, ids }) => ids[position + 1]!),
  }
}
