import { elementsFrom, type Graph, type State } from '../../ir/graph.ts'
import { trainedWeights } from '../../passes/trainedWeights.ts'
import { updateGraph } from '../../passes/updateGraph.ts'
import type { UpdateSettings } from '../../passes/updateSettings.ts'
import type { TensorKind, TrainingTensor } from '../checkpoint/trainingState.ts'
import type { Trainer } from '../program/trainer.ts'

/** A state of a training that outlives it. */
export interface KeptState {
  readonly kind: TensorKind
  readonly name: string
  readonly shape: readonly number[]
}

/**
 * What a checkpoint holds of the training of `graph` (ir2): its weights, in their order, then what the updates of the trainable
 * ones keep.
 */
export function keptStates(graph: Graph, trainable: readonly string[], update: UpdateSettings): readonly KeptState[] {
  const { clip: _, average, norm: __, ...plain } = update
  const weights = trainedWeights(graph, trainable)
  const isWeight = new Set(trainable)
  const statesOf = (settings: UpdateSettings) =>
    updateGraph(weights, settings).states.filter(({ name }) => !isWeight.has(name))
  const optimizer = statesOf(plain)
  const known = new Set(optimizer.map(({ name }) => name))
  const averages = average === undefined ? [] : statesOf({ ...plain, average }).filter(({ name }) => !known.has(name))
  const kept = (kind: TensorKind) => (state: Pick<State, 'name' | 'type'>) => ({
    kind,
    name: state.name,
    shape: state.type.shape.map(Number),
  })
  return [...graph.weights.map(kept('weight')), ...optimizer.map(kept('optimizer')), ...averages.map(kept('average'))]
}

/** The memory of these states in a trainer. */
export function trainingTensors(trainer: Trainer, states: readonly KeptState[]): readonly TrainingTensor[] {
  return states.map((state) => ({
    ...state,
    // An average is called like its weight.
    name: state.kind === 'average' ? state.name.replace(/\.average$/, '') : state.name,
    data: trainer.values(state.name).subarray(0, elementsFrom(state.shape, 0)),
  }))
}
