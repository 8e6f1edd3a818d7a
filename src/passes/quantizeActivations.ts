import { dtypes } from '../base/dtypes.ts'
import { type Graph, valueTypes } from '../ir/graph.ts'
import type { Operand } from '../ir/op.ts'
import { rewriteGraph } from '../ir/rewrite.ts'
import { quantize } from '../ops/quantize.ts'
import { ops } from '../ops/registry.ts'

/** Puts a quantize before every product with block-quantised weights: one per x, however many products read it. */
export function quantizeActivations(graph: Graph): Graph {
  const types = valueTypes(graph)
  const quantised = new Map<string, Operand>()
  return rewriteGraph(graph, ops, (node, to) => {
    const weight = node.inputs.w ?? node.inputs.gate
    if ((node.op !== 'linear' && node.op !== 'linearGlu') || weight === undefined) return false
    if (dtypes[types.get(weight)!.dtype].blockElements === 1) return false
    const x = node.inputs.x!
    const known = quantised.get(x) ?? to.builder.apply(quantize, `${x}.a8`, { x: to.value(x) }, {})
    quantised.set(x, known)
    to.copy(node, { x: known })
    return true
  })
}
