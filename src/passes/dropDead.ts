import type { Graph, Node } from '../ir/graph.ts'
import { type AnyOp, advancesOf } from '../ir/op.ts'
import { rewriteGraph } from '../ir/rewrite.ts'
import { ops } from '../ops/registry.ts'

/** Drops the nodes that no output needs and that advance no state, and with them the weights that only they read. */
export function dropDead(graph: Graph): Graph {
  const needed = new Set(graph.outputs)
  const alive = new Set<Node>()
  for (const node of graph.nodes.toReversed()) {
    const op: AnyOp | undefined = ops[node.op as keyof typeof ops]
    if (advancesOf(op, node).length === 0 && !Object.values(node.outputs).some((value) => needed.has(value))) continue
    alive.add(node)
    for (const value of Object.values(node.inputs)) needed.add(value)
  }
  return rewriteGraph(graph, ops, (node) => !alive.has(node))
}
