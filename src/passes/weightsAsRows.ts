import type { Graph } from '../ir/graph.ts'
import { nodeName } from '../ir/graph.ts'
import { rewriteGraph } from '../ir/rewrite.ts'
import { matmul } from '../ops/matmul.ts'
import { ops } from '../ops/registry.ts'
import { takeRows } from '../ops/takeRows.ts'

/**
 * Lets products and tables read weights as the rows that they are: weights that change with every step are not packed for
 * kernels that read them again and again.
 */
export function weightsAsRows(graph: Graph): Graph {
  return rewriteGraph(graph, ops, (node, to) => {
    const name = nodeName(node)
    if (node.op === 'linear') {
      const { x, w, bias } = node.inputs
      const operands = { a: to.value(x!), b: to.value(w!), ...(bias === undefined ? {} : { sum: to.value(bias) }) }
      const attributes = { transposeA: false, transposeB: true }
      to.define(name, to.builder.apply(matmul, name, operands, attributes, node.outputs, node.of))
      return true
    }
    if (node.op === 'embedding') {
      const operands = { x: to.value(node.inputs.table!), index: to.value(node.inputs.ids!) }
      to.define(name, to.builder.apply(takeRows, name, operands, {}, node.outputs, node.of))
      return true
    }
    return false
  })
}
