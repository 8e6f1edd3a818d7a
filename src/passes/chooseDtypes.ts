import type { Dtype } from '../base/dtypes.ts'
import type { Graph } from '../ir/graph.ts'
import type { OpTable } from '../ir/op.ts'

/**
 * Chooses the dtype that each weight is computed in: that of the checkpoint where every reader accepts it, else f32; always
 * f32 where `strict`. Only types change; the weights are converted when they are written.
 */
export function chooseDtypes(graph: Graph, ops: OpTable, { strict }: { readonly strict: boolean }): Graph {
  const isAccepted = (name: string, dtype: Dtype) =>
    graph.nodes.every((node) =>
      Object.entries(node.inputs).every(
        ([slot, value]) => value !== name || ops[node.op]!.inputs[slot]!.includes(dtype),
      ),
    )
  return {
    ...graph,
    weights: graph.weights.map((weight) => {
      if (!strict && isAccepted(weight.name, weight.type.dtype)) return weight
      return { ...weight, type: { dtype: 'f32', shape: weight.type.shape } }
    }),
  }
}
