import { fail } from '../base/errors.ts'
import { type Graph, type Node, producers } from '../ir/graph.ts'
import { Rewriter } from '../ir/rewrite.ts'
import { ops } from '../ops/registry.ts'
import { ratesType } from '../ops/weightUpdate.ts'
import { appendUpdate } from './appendUpdate.ts'
import { lossAndGradients } from './lossAndGradients.ts'
import { NormOfGradients } from './normOfGradients.ts'
import type { TrainedWeight } from './trainedWeights.ts'
import type { TrainingGraph } from './trainingGraph.ts'
import type { UpdateSettings } from './updateSettings.ts'

/**
 * The graph of a whole step: `weights`, the trainable ones in their order, are states, and each is advanced by its gradient,
 * which is no output any more. Outputs: the loss and, where gradients are clipped or it is asked for, `norm`; inputs: also
 * `rates` [1, 3]. Without clipping a weight is updated as soon as its gradient is complete and its old version read for the
 * last time, so that the gradient's bytes are free again; with clipping all are updated at the end.
 */
export function applyUpdates(
  training: TrainingGraph,
  weights: readonly TrainedWeight[],
  settings: UpdateSettings,
): Graph {
  const { graph, trainable } = training
  const { loss, gradients } = lossAndGradients(training)
  const to = new Rewriter({ ...graph, outputs: [loss] }, ops)
  const g = to.builder
  for (const { name, type } of weights) to.define(name, g.state(name, type))
  const rates = g.input('rates', ratesType)
  const norm = settings.clip !== undefined || settings.norm ? new NormOfGradients(g) : undefined
  const isLate = settings.clip !== undefined
  const ready = readyAfter(graph, weights, gradients, !isLate)
  const complete = readyAfter(graph, weights, gradients, false)
  const inputsOf = (at: number) => ({ weight: to.value(trainable[at]!), gradient: to.value(gradients[at]!), rates })
  for (const [index, node] of graph.nodes.entries()) {
    to.copy(node)
    for (const at of complete.get(index) ?? []) norm?.add(to.value(gradients[at]!), trainable[at]!)
    if (!isLate) for (const at of ready.get(index) ?? []) appendUpdate(g, weights[at]!, settings, inputsOf(at))
  }
  const total = norm?.finish(trainable)
  if (total && settings.clip !== undefined) {
    const clip = norm!.clip(total, settings.clip)
    for (const [at, weight] of weights.entries()) appendUpdate(g, weight, settings, { ...inputsOf(at), clip })
  }
  g.output(to.value(loss))
  if (total) g.output(total)
  return g.finish()
}

/**
 * Which weights, by their numbers, have a complete gradient behind each node, by its index; `unread`: and are not read by any
 * later node.
 */
function readyAfter(
  graph: Graph,
  weights: readonly TrainedWeight[],
  gradients: readonly string[],
  unread: boolean,
): ReadonlyMap<number, readonly number[]> {
  const makers = producers(graph)
  const indices = new Map<Node, number>(graph.nodes.map((node, index) => [node, index]))
  const lastReader = new Map<string, number>()
  graph.nodes.forEach((node, index) => {
    for (const value of Object.values(node.inputs)) lastReader.set(value, index)
  })
  const after = new Map<number, number[]>()
  weights.forEach(({ name }, at) => {
    const maker = makers.get(gradients[at]!)
    const made =
      (maker && indices.get(maker)) ??
      fail('graph_invalid', { where: name, what: `has the gradient '${gradients[at]}', which no node gives` })
    const index = unread ? Math.max(made, lastReader.get(name) ?? 0) : made
    after.set(index, [...(after.get(index) ?? []), at])
  })
  return after
}
