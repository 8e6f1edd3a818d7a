import { fail } from '../base/errors.ts'
import type { Checkpoint } from '../formats/checkpoint.ts'
import { interpret } from '../ir/interpret.ts'
import type { Tensor } from '../ir/tensor.ts'
import { ops } from '../ops/registry.ts'
import { gradientName } from '../passes/differentiate.ts'
import { trainingGraph } from '../passes/trainingGraph.ts'
import type { Model } from '../templates/readModel.ts'
import { weightTensor } from '../templates/weightRows.ts'
import { stepInputs } from './stepInputs.ts'
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
  requireText(checkpoint, model)
  const isStored = (weight: string) => model.sources.get(weight)?.from === 'tensor'
  const { graph, trainable } = trainingGraph(model.graph, { isFrozen: (weight) => !isStored(weight) })
  const inputs = stepInputs(batch)
  const results = interpret(graph, ops, {
    given: (name) => {
      const input = inputs[name]
      if (input) return input
      const weight = graph.weights.find((candidate) => candidate.name === name)!
      return weightTensor(checkpoint, model, weight.sources, weight.type.shape.map(Number))
    },
  })
  const gradients = new Map(trainable.map((weight) => [weight, results.get(gradientName(weight))!]))
  const [loss = Number.NaN] = results.get('loss')!.data
  return { loss, tensors: storedGradients(checkpoint, model, gradients) }
}

/** Refuses encoders with `option_invalid`: they continue no text, so they have no loss. */
export function requireText(checkpoint: Checkpoint, model: Model): void {
  if (model.sizes.embedding === undefined) return
  const accepted = 'a model that continues text, no encoder'
  fail('option_invalid', { option: 'MODEL', found: checkpoint.path, accepted })
}
