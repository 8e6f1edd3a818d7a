import { consumers, type Graph, type Node, nodeName, producers, valueTypes } from '../ir/graph.ts'
import { rewriteGraph } from '../ir/rewrite.ts'
import { activationOfNode } from '../ops/activations.ts'
import { glu } from '../ops/glu.ts'
import { linearGlu } from '../ops/linearGlu.ts'
import { ops } from '../ops/registry.ts'

/**
 * multiply(silu(a), b) becomes glu(a, b), and so for the other activations; where a and b are products of the same x with weights of one type, both
 * products join it as linearGlu unless they have biases. Values that something else reads stay.
 */
export function fuseGlu(graph: Graph): Graph {
  const define = producers(graph)
  const readers = consumers(graph)
  const types = valueTypes(graph)
  const readOnce = (value: string) => readers.get(value)?.length === 1 && !graph.outputs.includes(value)
  const match = (node: Node) => {
    if (node.op !== 'multiply' || node.inputs.x === node.inputs.z) return undefined
    const active = define.get(node.inputs.x!)
    const activation = active && activationOfNode(active)
    if (!active || !activation || !readOnce(node.inputs.x!)) return undefined
    const gate = define.get(active.inputs.x!)
    const up = define.get(node.inputs.z!)
    const products =
      gate?.op === 'linear' &&
      up?.op === 'linear' &&
      gate.inputs.x === up.inputs.x &&
      gate.inputs.bias === undefined &&
      up.inputs.bias === undefined &&
      types.get(gate.inputs.w!)?.dtype === types.get(up.inputs.w!)?.dtype &&
      readOnce(active.inputs.x!) &&
      readOnce(node.inputs.z!)
    return { activation, active, ...(products ? { gate, up } : {}) }
  }
  const absorbed = new Set<Node>()
  for (const node of graph.nodes) {
    const { active, gate, up } = match(node) ?? {}
    for (const part of [active, gate, up]) if (part) absorbed.add(part)
  }
  return rewriteGraph(graph, ops, (node, to) => {
    if (absorbed.has(node)) return true
    const found = match(node)
    if (!found) return false
    const name = nodeName(node)
    const { activation } = found
    if (found.gate && found.up) {
      const weights = { gate: to.value(found.gate.inputs.w!), up: to.value(found.up.inputs.w!) }
      to.define(
        name,
        to.builder.apply(linearGlu, name, { x: to.value(found.gate.inputs.x!), ...weights }, { activation }),
      )
    } else {
      const inputs = { gate: to.value(found.active.inputs.x!), up: to.value(node.inputs.z!) }
      to.define(name, to.builder.apply(glu, name, inputs, { activation }))
    }
    return true
  })
}
