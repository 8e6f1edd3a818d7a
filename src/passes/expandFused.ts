import type { Graph } from '../ir/graph.ts'
import { nodeName } from '../ir/graph.ts'
import type { AnyOp, Composer, OpTable } from '../ir/op.ts'
import { rewriteGraph } from '../ir/rewrite.ts'
import { ops } from '../ops/registry.ts'

/** Puts ordinary ops in the place of fused ones that have no vjp; the values between are called `node.name`. */
export function expandFused(graph: Graph, table: OpTable = ops): Graph {
  return rewriteGraph(graph, table, (node, to) => {
    const op: AnyOp | undefined = table[node.op]
    if (!op?.decompose || op.vjp) return false
    const inside: Composer = {
      apply: (part, name, inputs, attributes) =>
        to.builder.apply(part, `${nodeName(node)}.${name}`, inputs, attributes),
    }
    const inputs = Object.fromEntries(Object.entries(node.inputs).map(([slot, value]) => [slot, to.value(value)]))
    const results = op.decompose(inside, inputs, node.attributes)
    for (const [slot, name] of Object.entries(node.outputs)) to.define(name, results[slot]!)
    return true
  })
}
