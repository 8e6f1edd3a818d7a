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
  const { graph } = model
  const count = Array.from({ length: ids.length }, (_, i) => i)
  const inputs: Readonly<Record<string, readonly number[]>> = { ids, positions: count, output_index: count }
  const results = interpret(graph, ops, {
    given: (name) => {
      const values = inputs[name]
      if (values) return tensor([ids.length], values)
      const weight = graph.weights.find((candidate) => candidate.name === name)!
      return weightTensor(checkpoint, model, weight.sources, weight.type.shape.map(Number))
    },
    ...(visit ? { visit } : {}),
  })
  return results.get(graph.outputs[0]!)!
}
