import { consumers, type Graph, type Node, nodeName, producers } from '../ir/graph.ts'
import { rewriteGraph } from '../ir/rewrite.ts'
import { activationOfNode } from '../ops/activations.ts'
import { glu } from '../ops/glu.ts'
import { ops } from '../ops/registry.ts'

/** multiply(silu(a), b) becomes glu(a, b), and so for the other activations, where nothing else reads the activation. */
export function fuseGlu(graph: Graph): Graph {
  const define = producers(graph)
  const readers = consumers(graph)
  const match = (node: Node) => {
    const { x = '', z } = node.inputs
    if (node.op !== 'multiply' || x === z) return undefined
    const active = define.get(x)
    const activation = active && activationOfNode(active)
    if (!active || !activation || readers.get(x)?.length !== 1 || graph.outputs.includes(x)) return undefined
    return { activation, active }
  }
  const absorbed = new Set(graph.nodes.map((node) => match(node)?.active))
  return rewriteGraph(graph, ops, (node, to) => {
    if (absorbed.has(node)) return true
    const found = match(node)
    if (!found) return false
    const name = nodeName(node)
    const inputs = { gate: to.value(found.active.inputs.x!), up: to.value(node.inputs.z!) }
    to.define(name, to.builder.apply(glu, name, inputs, { activation: found.activation }))
    return true
  })
}
