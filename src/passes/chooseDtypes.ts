import type { Graph } from '../ir/graph.ts'

/**
 * Chooses the dtype that each weight is computed in: that of the checkpoint, or f32 throughout where `strict`. Only types
 * change; the weights are converted when they are written.
 */
export function chooseDtypes(graph: Graph, { strict }: { readonly strict: boolean }): Graph {
  if (!strict) return graph
  const weights = graph.weights.map((weight) => ({
    ...weight,
    type: { dtype: 'f32', shape: weight.type.shape } as const,
  }))
  return { ...graph, weights }
}
