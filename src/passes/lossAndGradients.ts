import { fail } from '../base/errors.ts'
import type { TrainingGraph } from './trainingGraph.ts'

/**
 * The outputs of a training graph by name: its loss, and the gradients of the trainable weights in their order. Refuses
 * `graph_invalid` where it has others.
 */
export function lossAndGradients({ graph, trainable }: TrainingGraph): {
  readonly loss: string
  readonly gradients: readonly string[]
} {
  const [loss, ...gradients] = graph.outputs
  if (loss === undefined || gradients.length !== trainable.length)
    return fail('graph_invalid', {
      where: graph.name,
      what: `has ${graph.outputs.length} outputs; accepted: a loss, and a gradient for each of ${trainable.length} weights`,
    })
  return { loss, gradients }
}
