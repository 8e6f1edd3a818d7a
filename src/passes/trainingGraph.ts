import type { Graph } from '../ir/graph.ts'
import { verifyGraph } from '../ir/verify.ts'
import { ops } from '../ops/registry.ts'
import { addLoss } from './addLoss.ts'
import { chooseDtypes } from './chooseDtypes.ts'
import { differentiate } from './differentiate.ts'
import { dropDead } from './dropDead.ts'
import { expandFused } from './expandFused.ts'
import { differentiableWeights } from './gradientFlow.ts'
import { separateSequences } from './separateSequences.ts'

/** A graph to train by, and the weights whose gradients are its outputs behind the loss. */
export interface TrainingGraph {
  readonly graph: Graph
  readonly trainable: readonly string[]
}

/**
 * From the graph as the template built it (ir1) to that with loss and gradients (ir2), over the inputs of ir1, `targets` and,
 * where tokens are mixed, `starts`. Weights are f32, whatever they are stored in; trainable are all that have a gradient and
 * are not frozen.
 */
export function trainingGraph(ir1: Graph, isFrozen: (weight: string) => boolean = () => false): TrainingGraph {
  const steps = [
    dropDead,
    (graph: Graph) => chooseDtypes(graph, { strict: true }),
    expandFused,
    separateSequences,
    addLoss,
  ]
  const forward = steps.reduce((graph, step) => verifyGraph(step(graph), ops), verifyGraph(ir1, ops))
  const trainable = differentiableWeights(forward, ops).filter((weight) => !isFrozen(weight))
  return { graph: verifyGraph(differentiate(forward, trainable), ops), trainable }
}
