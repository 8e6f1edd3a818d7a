import type { Graph } from '../ir/graph.ts'
import { verifyGraph } from '../ir/verify.ts'
import { ops } from '../ops/registry.ts'
import { accumulateGradients } from './accumulateGradients.ts'
import { applyUpdates } from './applyUpdates.ts'
import type { BatchSize } from './bindSizes.ts'
import { dropDead } from './dropDead.ts'
import { fuseLoss } from './fuseLoss.ts'
import { fuseSums } from './fuseSums.ts'
import { type Kept, recompute } from './recompute.ts'
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
}

/** The programs of a training build as graphs over the same states. */
export interface TrainingPrograms {
  /** Forward, loss and backward, as differentiate gave them, and with what is made again; without backward where that is all. */
  readonly ir2: Graph
  readonly trainable: readonly string[]
  readonly graphs: {
    readonly train?: Graph
    readonly gradients?: Graph
    readonly accumulate?: Graph
    readonly update?: Graph
    readonly evaluate: Graph
  }
}

/** From ir1 to the graphs that are lowered: differentiated, fused, and with the updates of the weights. */
export function trainingPrograms(ir1: Graph, options: TrainingProgramOptions): TrainingPrograms {
  const { update, accumulates = false, kept = () => 'all' as const } = options
  const training = trainingGraph(ir1, options)
  const ir2 = verifyGraph(recompute(training.graph, kept), ops)
  const fused: TrainingGraph = { ...training, graph: fuse(ir2) }
  const evaluate = weightsToStates(fuse(training.forward))
  if (options.onlyEvaluates) return { ir2: training.forward, trainable: [], graphs: { evaluate } }
  const { trainable } = training
  if (!update) return { ir2, trainable, graphs: { gradients: finish(fused.graph), evaluate } }
  if (!accumulates)
    return {
      ir2,
      trainable,
      graphs: { train: finish(applyUpdates(fused, trainedWeights(ir2, trainable), update)), evaluate },
    }
  const graphs = {
    gradients: finish(fused.graph),
    accumulate: finish(accumulateGradients(fused)),
    update: finish(updateGraph(trainedWeights(ir2, trainable), update)),
    evaluate,
  }
  return { ir2, trainable, graphs }
}

function fuse(graph: Graph): Graph {
  return [fuseLoss, weightsAsRows, fuseSums, dropDead].reduce((last, pass) => verifyGraph(pass(last), ops), graph)
}

function finish(graph: Graph): Graph {
  return verifyGraph(weightsToStates(graph), ops)
}
