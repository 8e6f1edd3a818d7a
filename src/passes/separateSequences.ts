import type { Graph } from '../ir/graph.ts'
import { nodeName } from '../ir/graph.ts'
import type { AnyOp, Operand } from '../ir/op.ts'
import { rewriteGraph } from '../ir/rewrite.ts'
import { ops } from '../ops/registry.ts'

/**
 * Lets a step hold several sequences, one behind the other: adds the input `starts` [tokens], the row at which the sequence of
 * each token begins, and gives it to every op that mixes tokens. Their positions are to begin anew with each.
 */
export function separateSequences(graph: Graph): Graph {
  let starts: Operand | undefined
  return rewriteGraph(graph, ops, (node, to) => {
    const op: AnyOp = ops[node.op as keyof typeof ops]
    if (!op.optional?.includes('starts') || node.inputs.starts !== undefined) return false
    starts ??= to.builder.input('starts', { dtype: 'i32', shape: ['tokens'] })
    const inputs = Object.fromEntries(Object.entries(node.inputs).map(([slot, value]) => [slot, to.value(value)]))
    const name = nodeName(node)
    to.define(name, to.builder.apply(op, name, { ...inputs, starts }, node.attributes, node.outputs) as Operand)
    return true
  })
}
