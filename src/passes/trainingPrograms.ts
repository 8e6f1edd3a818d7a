import type { Graph } from '../ir/graph.ts'
import { verifyGraph } from '../ir/verify.ts'
import { ops } from '../ops/registry.ts'
import type { BatchSize } from './bindSizes.ts'
import { dropDead } from './dropDead.ts'
import { fuseLoss } from './fuseLoss.ts'
import { fuseSums } from './fuseSums.ts'
import { linearToMatmul } from './linearToMatmul.ts'
import { trainingGraph } from './trainingGraph.ts'
import { weightsToStates } from './weightsToStates.ts'

export interface TrainingProgramOptions {
  readonly size: BatchSize
  readonly isFrozen?: (weight: string) => boolean
}

/** The programs of a training build as graphs, by mode, over the same weights. */
export interface TrainingPrograms {
  /** Forward, loss and backward as differentiate gave them. */
  readonly ir2: Graph
  readonly trainable: readonly string[]
  readonly graphs: { readonly gradients: Graph; readonly evaluate: Graph }
}

/** Passes of every training program, behind the differentiation. */
const passes = [fuseLoss, linearToMatmul, fuseSums, dropDead, weightsToStates]

export function trainingPrograms(ir1: Graph, { size, isFrozen }: TrainingProgramOptions): TrainingPrograms {
  const { forward, graph, trainable } = trainingGraph(ir1, { size, ...(isFrozen ? { isFrozen } : {}) })
  const finish = (given: Graph) => passes.reduce((last, pass) => verifyGraph(pass(last), ops), given)
  return { ir2: graph, trainable, graphs: { gradients: finish(graph), evaluate: finish(forward) } }
}
