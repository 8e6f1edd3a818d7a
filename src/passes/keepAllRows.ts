import type { Graph } from '../ir/graph.ts'
import { rewriteGraph } from '../ir/rewrite.ts'
import { ops } from '../ops/registry.ts'

/** Gives every token its row of logits: drops the choice of rows that an input makes, and the input. */
export function keepAllRows(graph: Graph): Graph {
  const given = new Set(graph.inputs.map(({ name }) => name))
  const chosen = new Set<string>()
  const whole = rewriteGraph(graph, ops, (node, to) => {
    const { x, index } = node.inputs
    if (node.op !== 'takeRows' || x === undefined || index === undefined || !given.has(index)) return false
    chosen.add(index)
    to.define(node.outputs.y!, to.value(x))
    return true
  })
  return { ...whole, inputs: whole.inputs.filter(({ name }) => !chosen.has(name)) }
}
