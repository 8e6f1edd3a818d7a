import { consumers, type Graph, type Node, nodeName, producers, valueTypes } from '../ir/graph.ts'
import { rewriteGraph } from '../ir/rewrite.ts'
import type { GluAttributes } from '../ops/activations.ts'
import { linearGlu } from '../ops/linearGlu.ts'
import { ops } from '../ops/registry.ts'

/**
 * A glu of two products of the same x with weights of one type takes both in, as linearGlu, unless they have biases or
 * something else reads them.
 */
export function fuseLinearGlu(graph: Graph): Graph {
  const define = producers(graph)
  const readers = consumers(graph)
  const types = valueTypes(graph)
  const isOwn = (value: string) => readers.get(value)?.length === 1 && !graph.outputs.includes(value)
  const match = (node: Node) => {
    if (node.op !== 'glu') return undefined
    const gate = define.get(node.inputs.gate!)
    const up = define.get(node.inputs.up!)
    const areProducts =
      gate?.op === 'linear' &&
      up?.op === 'linear' &&
      gate !== up &&
      gate.inputs.x === up.inputs.x &&
      gate.inputs.bias === undefined &&
      up.inputs.bias === undefined &&
      types.get(gate.inputs.w!)?.dtype === types.get(up.inputs.w!)?.dtype &&
      isOwn(node.inputs.gate!) &&
      isOwn(node.inputs.up!)
    return areProducts ? { gate, up } : undefined
  }
  const absorbed = new Set<Node>()
  for (const node of graph.nodes) for (const part of Object.values(match(node) ?? {})) absorbed.add(part)
  return rewriteGraph(graph, ops, (node, to) => {
    if (absorbed.has(node)) return true
    const found = match(node)
    if (!found) return false
    const name = nodeName(node)
    const inputs = {
      x: to.value(found.gate.inputs.x!),
      gate: to.value(found.gate.inputs.w!),
      up: to.value(found.up.inputs.w!),
    }
    to.define(name, to.builder.apply(linearGlu, name, inputs, node.attributes as GluAttributes))
    return true
  })
}
