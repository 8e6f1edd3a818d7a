import type { Graph } from '../ir/graph.ts'
import { verifyGraph } from '../ir/verify.ts'
import { ops } from '../ops/registry.ts'
import { addLoss } from './addLoss.ts'
import { type BatchSize, bindSizes } from './bindSizes.ts'
import { chooseDtypes } from './chooseDtypes.ts'
import { differentiate } from './differentiate.ts'
import { dropDead } from './dropDead.ts'
import { expandFused } from './expandFused.ts'
import { fuseGlu } from './fuseGlu.ts'
import { differentiableWeights } from './gradientFlow.ts'
import { keepAllRows } from './keepAllRows.ts'
import { separateSequences } from './separateSequences.ts'

/** A graph to train by, and the weights whose gradients are its outputs behind the loss. */
export interface TrainingGraph {
  readonly graph: Graph
  readonly trainable: readonly string[]
}

/** The same, and what it was differentiated from: the graph up to the loss. */
export interface DifferentiatedGraph extends TrainingGraph {
  readonly forward: Graph
}

export interface TrainingGraphOptions {
  /** Weights that stay as they are; default: none. */
  readonly isFrozen?: (weight: string) => boolean
  /** Absent: `tokens` stays a symbol. */
  readonly size?: BatchSize
}

/**
 * From the graph as the template built it (ir1) to that with loss and gradients (ir2), over the inputs of ir1, `targets`, an id
 * for each token, `total`, and, where tokens are mixed, `starts`. Weights are f32, whatever they are stored in; trainable are
 * all that have a gradient and are not frozen.
 */
export function trainingGraph(
  ir1: Graph,
  { isFrozen = () => false, size }: TrainingGraphOptions = {},
): DifferentiatedGraph {
  const steps = [
    dropDead,
    (graph: Graph) => chooseDtypes(graph, { strict: true }),
    expandFused,
    fuseGlu,
    keepAllRows,
    separateSequences,
    addLoss,
    ...(size ? [(graph: Graph) => bindSizes(graph, size)] : []),
  ]
  const forward = steps.reduce((graph, step) => verifyGraph(step(graph), ops), verifyGraph(ir1, ops))
  const trainable = differentiableWeights(forward, ops).filter((weight) => !isFrozen(weight))
  return { forward, graph: verifyGraph(differentiate(forward, trainable), ops), trainable }
}
