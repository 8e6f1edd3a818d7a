import { consumers, type Graph, type Node, nodeName, producers, valueTypes } from '../ir/graph.ts'
import { rewriteGraph } from '../ir/rewrite.ts'
import { linearSwiglu } from '../ops/linearSwiglu.ts'
import { ops } from '../ops/registry.ts'
import { swiglu } from '../ops/swiglu.ts'

/**
 * multiply(silu(a), b) becomes swiglu(a, b); where a and b are products of the same x with weights of one type, both
 * products join it as linearSwiglu unless they have biases. Values that something else reads stay.
 */
export function fuseSwiglu(graph: Graph): Graph {
  const define = producers(graph)
  const readers = consumers(graph)
  const types = valueTypes(graph)
  const readOnce = (value: string) => readers.get(value)?.length === 1 && !graph.outputs.includes(value)
  const match = (node: Node) => {
    if (node.op !== 'multiply' || node.inputs.x === node.inputs.z) return undefined
    const active = define.get(node.inputs.x!)
    if (active?.op !== 'silu' || !readOnce(node.inputs.x!)) return undefined
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
    return { active, gate: products ? gate : undefined, up: products ? up : undefined }
  }
  const absorbed = new Set<Node>()
  for (const node of graph.nodes) for (const part of Object.values(match(node) ?? {})) if (part) absorbed.add(part)
  return rewriteGraph(graph, ops, (node, to) => {
    if (absorbed.has(node)) return true
    const found = match(node)
    if (!found) return false
    const name = nodeName(node)
    if (found.gate && found.up) {
      const weights = { gate: to.value(found.gate.inputs.w!), up: to.value(found.up.inputs.w!) }
      to.define(name, to.builder.apply(linearSwiglu, name, { x: to.value(found.gate.inputs.x!), ...weights }, {}))
    } else {
      const inputs = { gate: to.value(found.active.inputs.x!), up: to.value(node.inputs.z!) }
      to.define(name, to.builder.apply(swiglu, name, inputs, {}))
    }
    return true
  })
}
