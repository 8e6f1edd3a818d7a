import { fail } from '../base/errors.ts'
import { type Graph, type Node, nodeName, valueTypes } from '../ir/graph.ts'
import type { AnyOp, OpTable } from '../ir/op.ts'

/** Where gradients flow: between the loss and what depends on trainable weights. */
export interface Flow {
  /** Whether an input slot of a node is one of numbers that have a gradient. */
  isDifferentiated(node: Node, slot: string): boolean
  /** The slots of a node whose gradients are needed; none where none of its outputs leads to the loss. */
  slotsOf(node: Node): readonly string[]
  /** How many slots give a part of the value's gradient. */
  usesOf(value: string): number
}

/** The flow in a graph. Refuses `graph_invalid` where a trainable weight is none, or the loss does not depend on it. */
export function flowOf(graph: Graph, loss: string, trainable: readonly string[], table: OpTable): Flow {
  const isDifferentiated = differentiatedIn(graph, table)
  const slots = (node: Node) => Object.keys(node.inputs).filter((slot) => isDifferentiated(node, slot))
  const depends = new Set(trainable)
  for (const node of graph.nodes) {
    if (slots(node).some((slot) => depends.has(node.inputs[slot]!)))
      for (const value of Object.values(node.outputs)) depends.add(value)
  }
  const leads = new Set([loss])
  const uses = new Map<string, number>()
  for (const node of graph.nodes.toReversed()) {
    if (!Object.values(node.outputs).some((value) => leads.has(value))) continue
    for (const slot of slots(node)) {
      const value = node.inputs[slot]!
      leads.add(value)
      uses.set(value, (uses.get(value) ?? 0) + 1)
    }
  }
  const weights = new Set(graph.weights.map(({ name }) => name))
  for (const weight of trainable) {
    if (!weights.has(weight)) fail('graph_invalid', { where: weight, what: 'is trainable but no weight of the graph' })
    if (!uses.has(weight)) fail('graph_invalid', { where: weight, what: 'is trainable but has no gradient' })
  }
  return {
    isDifferentiated,
    slotsOf: (node) =>
      Object.values(node.outputs).some((value) => leads.has(value))
        ? slots(node).filter((slot) => depends.has(node.inputs[slot]!))
        : [],
    usesOf: (value) => uses.get(value) ?? 0,
  }
}

/** The weights that a loss could be differentiated by: all but those that are only read as ids or as constants. */
export function differentiableWeights(graph: Graph, table: OpTable): readonly string[] {
  const isDifferentiated = differentiatedIn(graph, table)
  const read = new Set(
    graph.nodes.flatMap((node) =>
      Object.entries(node.inputs).flatMap(([slot, value]) => (isDifferentiated(node, slot) ? [value] : [])),
    ),
  )
  return graph.weights.map(({ name }) => name).filter((name) => read.has(name))
}

function differentiatedIn(graph: Graph, table: OpTable): Flow['isDifferentiated'] {
  const types = valueTypes(graph)
  return (node, slot) => {
    const op: AnyOp =
      table[node.op] ?? fail('graph_invalid', { where: nodeName(node), what: `op '${node.op}' is unknown` })
    return types.get(node.inputs[slot]!)!.dtype !== 'i32' && !op.constants?.includes(slot)
  }
}
