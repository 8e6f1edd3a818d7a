import type { Graph } from '../ir/graph.ts'

/** Lets all weights lie in memory that outlives a step, behind the states there are: where training changes them. */
export function weightsToStates(graph: Graph): Graph {
  const states = graph.weights.map(({ name, type }) => ({ name, type }))
  return { ...graph, weights: [], states: [...graph.states, ...states] }
}
