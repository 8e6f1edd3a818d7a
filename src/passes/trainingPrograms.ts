import type { Precision } from '../base/precisions.ts'
import type { Graph } from '../ir/graph.ts'
import { verifyGraph } from '../ir/verify.ts'
import { ops } from '../ops/registry.ts'
import { accumulateGradients } from './accumulateGradients.ts'
import { applyUpdates } from './applyUpdates.ts'
import type { BatchSize } from './bindSizes.ts'
import { copiedWeights, copyGraph, readCopies } from './copyWeights.ts'
import { dropDead } from './dropDead.ts'
import { fuseLoss } from './fuseLoss.ts'
import { fuseSums } from './fuseSums.ts'
import { type Kept, recompute } from './recompute.ts'
import { narrowValues, storeNarrow } from './storeNarrow.ts'
import { trainedWeights } from './trainedWeights.ts'
import { type TrainingGraph, trainingGraph } from './trainingGraph.ts'
import { updateGraph } from './updateGraph.ts'
import type { UpdateSettings } from './updateSettings.ts'
import { weightsAsRows } from './weightsAsRows.ts'
import { weightsToStates } from './weightsToStates.ts'

export interface TrainingProgramOptions {
  readonly size: BatchSize
  /** Weights that stay as they are; default: none. */
  readonly isFrozen?: (weight: string) => boolean
  /** How weights are changed; absent: none are, and gradients are what a step gives. */
  readonly update?: UpdateSettings
  /** Whether the gradients of a step come from several batches. */
  readonly accumulates?: boolean
  /** Whether `evaluate` is the only program. */
  readonly onlyEvaluates?: boolean
  /** What is kept of each layer for the backward half; default: all. */
  readonly kept?: (layer: number) => Kept
  /**
   * What products read and what is kept for the backward half is stored in; weights, their updates, gradients and sums are f32 in
   * any case. Default: f32.
   */
  readonly precision?: Precision
}

/** The programs of a training build as graphs over the same states. */
export interface TrainingPrograms {
  /** Forward, loss and backward, as differentiate gave them; without backward where that is all. */
  readonly ir2: Graph
  readonly trainable: readonly string[]
  readonly graphs: {
    readonly train?: Graph
    readonly gradients?: Graph
    readonly accumulate?: Graph
    readonly update?: Graph
    readonly evaluate: Graph
    /** Makes the copies of weights that the others read, where they do. */
    readonly copy?: Graph
  }
}

/** From ir1 to the graphs that are lowered: differentiated, fused, stored as the precision says, and with the updates of the weights. */
export function trainingPrograms(ir1: Graph, options: TrainingProgramOptions): TrainingPrograms {
  const { update, accumulates = false, kept = () => 'all' as const, precision = 'f32' } = options
  const training = trainingGraph(ir1, options)
  const { graph: ir2, trainable } = training
  const joined = joinProducts(ir2)
  const narrow = precision === 'bf16' ? narrowValues(joined) : undefined
  const copied = precision === 'bf16' ? copiedWeights(joined) : []
  const store = (graph: Graph) => (narrow ? verifyGraph(storeNarrow(graph, narrow), ops) : graph)
  const finish = (graph: Graph) => verifyGraph(readCopies(weightsToStates(graph), copied), ops)
  const step: TrainingGraph = { ...training, graph: joinSums(recompute(store(joined), kept)) }
  const others = {
    evaluate: finish(joinSums(store(joinProducts(training.forward)))),
    ...(copied.length > 0 ? { copy: verifyGraph(copyGraph(copied), ops) } : {}),
  }
  if (options.onlyEvaluates) return { ir2: training.forward, trainable: [], graphs: others }
  if (!update) return { ir2, trainable, graphs: { gradients: finish(step.graph), ...others } }
  const weights = trainedWeights(ir2, trainable)
  if (!accumulates) return { ir2, trainable, graphs: { train: finish(applyUpdates(step, weights, update)), ...others } }
  const graphs = {
    gradients: finish(step.graph),
    accumulate: finish(accumulateGradients(step)),
    update: finish(updateGraph(weights, update)),
    ...others,
  }
  return { ir2, trainable, graphs }
}

function joinProducts(graph: Graph): Graph {
  return apply(graph, [fuseLoss, weightsAsRows])
}

function joinSums(graph: Graph): Graph {
  return apply(graph, [fuseSums, dropDead])
}

function apply(graph: Graph, passes: readonly ((graph: Graph) => Graph)[]): Graph {
  return passes.reduce((last, pass) => verifyGraph(pass(last), ops), graph)
}
