import { fail } from '../base/errors.ts'
import type { Checkpoint } from '../formats/checkpoint.ts'
import type { Node } from '../ir/graph.ts'
import { interpret } from '../ir/interpret.ts'
import { type Tensor, tensor } from '../ir/tensor.ts'
import { ops } from '../ops/registry.ts'
import type { Model } from '../templates/readModel.ts'
import { weightTensor } from '../templates/weightRows.ts'

/**
 * Logits [tokens, vocabulary] of every token in float64, from the graph as the template built it and the checkpoint's exact
 * values. Slow and plain: the oracle that needs nothing installed. `visit` sees every value.
 */
export function interpretLogits(
  checkpoint: Checkpoint,
  model: Model,
  ids: readonly number[],
  visit?: (name: string, value: Tensor, node: Node) => void,
): Tensor {
  if (model.sizes.embedding !== undefined) {
    fail('option_invalid', {
      option: 'MODEL',
      found: checkpoint.path,
      accepted: 'a model that continues text, no encoder',
    })
  }
  const places = Array.from({ length: ids.length }, (_, i) => i)
  return interpretWith(checkpoint, model, { ids, positions: places, output_index: places }, visit)
}

/** The embedding [1, width] of a text in float64, by an encoder. */
export function interpretEmbedding(checkpoint: Checkpoint, model: Model, ids: readonly number[]): Tensor {
  const positions = Array.from({ length: ids.length }, (_, i) => i)
  return interpretWith(checkpoint, model, { ids, positions, types: ids.map(() => 0) })
}

function interpretWith(
  checkpoint: Checkpoint,
  model: Model,
  inputs: Readonly<Record<string, readonly number[]>>,
  visit?: (name: string, value: Tensor, node: Node) => void,
): Tensor {
  const { graph } = model
  const results = interpret(graph, ops, {
    given: (name) => {
      const values = inputs[name]
      if (values) return tensor([values.length], values)
      const weight = graph.weights.find((candidate) => candidate.name === name)!
      return weightTensor(checkpoint, model, weight.sources, weight.type.shape.map(Number))
    },
    ...(visit ? { visit } : {}),
  })
  return results.get(graph.outputs[0]!)!
}
