import type { Graph, TensorType } from '../ir/graph.ts'
import type { AnyOp } from '../ir/op.ts'
import { rewriteGraph } from '../ir/rewrite.ts'
import { ops } from '../ops/registry.ts'

/** Rows of a batch, and tokens of a row. */
export interface BatchSize {
  readonly batch: number
  readonly length: number
}

/**
 * The graph for batches of one size: `tokens` becomes batch · length, and what mixes tokens is told that no sequence goes
 * beyond its row of `length` tokens.
 */
export function bindSizes(graph: Graph, { batch, length }: BatchSize): Graph {
  const bound = ({ dtype, shape }: TensorType): TensorType => ({
    dtype,
    shape: shape.map((dim) => (dim === 'tokens' ? batch * length : dim)),
  })
  const inputs = graph.inputs.map(({ name, type }) => ({ name, type: bound(type) }))
  return rewriteGraph({ ...graph, inputs }, ops, (node, to) => {
    const op: AnyOp = ops[node.op as keyof typeof ops]
    if (!op.optional?.includes('starts')) return false
    to.copy({ ...node, attributes: { ...node.attributes, length } })
    return true
  })
}
