import { consumers, type Graph, type Node } from '../ir/graph.ts'
import { rewriteGraph } from '../ir/rewrite.ts'
import { ops } from '../ops/registry.ts'
import { residualRmsNorm } from '../ops/residualRmsNorm.ts'

/** add followed by rmsNorm of the sum becomes residualRmsNorm, which gives both. */
export function fuseResidualNorm(graph: Graph): Graph {
  const readers = consumers(graph)
  const normOf = new Map<Node, Node>()
  for (const node of graph.nodes) {
    if (node.op !== 'add' || graph.types[node.outputs.y!]!.shape.length !== 2) continue
    const norm = readers
      .get(node.outputs.y!)
      ?.find((reader) => reader.op === 'rmsNorm' && reader.inputs.x === node.outputs.y)
    if (norm) normOf.set(node, norm)
  }
  const absorbed = new Set(normOf.values())
  return rewriteGraph(graph, ops, (node, to) => {
    if (absorbed.has(node)) return true
    const norm = normOf.get(node)
    if (!norm) return false
    const sum = node.outputs.y!
    const y = norm.outputs.y!
    const inputs = { x: to.value(node.inputs.x!), delta: to.value(node.inputs.z!), gain: to.value(norm.inputs.gain!) }
    const eps = Number(norm.attributes.eps)
    const fused = to.builder.apply(residualRmsNorm, sum, inputs, { eps }, { sum, y })
    to.define(sum, fused.sum)
    to.define(y, fused.y)
    return true
  })
}
