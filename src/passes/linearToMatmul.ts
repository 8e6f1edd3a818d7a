import type { Graph } from '../ir/graph.ts'
import { nodeName } from '../ir/graph.ts'
import { rewriteGraph } from '../ir/rewrite.ts'
import { matmul } from '../ops/matmul.ts'
import { ops } from '../ops/registry.ts'

/**
 * Makes ordinary products of those with weights: weights that change with every step stay as they are, and are not packed
 * for kernels that read them again and again.
 */
export function linearToMatmul(graph: Graph): Graph {
  return rewriteGraph(graph, ops, (node, to) => {
    if (node.op !== 'linear') return false
    const { x, w, bias } = node.inputs
    const operands = { a: to.value(x!), b: to.value(w!), ...(bias === undefined ? {} : { sum: to.value(bias) }) }
    const name = nodeName(node)
    const attributes = { transposeA: false, transposeB: true }
    to.define(name, to.builder.apply(matmul, name, operands, attributes, node.outputs, node.of))
    return true
  })
}
