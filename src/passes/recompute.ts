import { consumers, type Graph, type Node, nodeName } from '../ir/graph.ts'
import type { AnyOp, Operand } from '../ir/op.ts'
import { Rewriter } from '../ir/rewrite.ts'
import { ops } from '../ops/registry.ts'
import { dropDead } from './dropDead.ts'

/**
 * What is kept of a layer from its forward to its backward half: `all` that is read there; the results of `products` and of
 * what else is dear (`isDear` of ops), from which the rest is made again; or nothing but what other layers read: its `inputs`.
 */
export type Kept = 'all' | 'products' | 'inputs'

/**
 * Makes values of the forward half again where the backward half reads them, so that they need not be kept until then: `kept`
 * says of every layer (the nodes called `blk.N.`) how much is. What other layers read is always kept. A value that is made
 * again is called `value.again`, and has the same bits.
 */
export function recompute(graph: Graph, kept: (layer: number) => Kept): Graph {
  const forward = graph.nodes.filter(({ of }) => of === undefined)
  const copied = copiedNodes(forward, kept, consumers(graph), new Set(graph.outputs))
  if (copied.size === 0) return graph
  const layers = new Map<string, number>()
  for (const node of copied) for (const value of Object.values(node.outputs)) layers.set(value, layerOf(node)!)
  const to = new Rewriter(graph, ops)
  const again = new Map<string, Operand>()
  const made = new Set<number>()
  const replaced = (node: Node) =>
    Object.fromEntries(
      Object.entries(node.inputs).flatMap(([slot, value]) => (again.has(value) ? [[slot, again.get(value)!]] : [])),
    )
  const makeAgain = (layer: number) => {
    made.add(layer)
    for (const node of forward) {
      if (!copied.has(node) || layerOf(node) !== layer) continue
      const inputs = Object.fromEntries(
        Object.entries(node.inputs).map(([slot, value]) => [slot, again.get(value) ?? to.value(value)]),
      )
      const names = Object.fromEntries(Object.entries(node.outputs).map(([slot, value]) => [slot, `${value}.again`]))
      to.builder.apply(opOf(node), `${nodeName(node)}.again`, inputs, node.attributes, names, nodeName(node))
      for (const value of Object.values(node.outputs))
        again.set(value, { name: `${value}.again`, type: graph.types[value]! })
    }
  }
  for (const node of graph.nodes) {
    if (node.of === undefined) {
      to.copy(node)
      continue
    }
    for (const value of Object.values(node.inputs)) {
      const layer = layers.get(value)
      if (layer !== undefined && !made.has(layer)) makeAgain(layer)
    }
    to.copy(node, replaced(node))
  }
  return dropDead(to.finish())
}

/** The nodes whose results are made again. */
function copiedNodes(
  forward: readonly Node[],
  kept: (layer: number) => Kept,
  readers: ReadonlyMap<string, readonly Node[]>,
  outputs: ReadonlySet<string>,
): ReadonlySet<Node> {
  return new Set(
    forward.filter((node) => {
      const layer = layerOf(node)
      if (layer === undefined || kept(layer) === 'all') return false
      if (kept(layer) === 'products' && opOf(node).isDear) return false
      const isBoundary = Object.values(node.outputs).some(
        (value) =>
          outputs.has(value) ||
          (readers.get(value) ?? []).some((reader) => reader.of === undefined && layerOf(reader) !== layer),
      )
      return !isBoundary
    }),
  )
}

const opOf = (node: Node): AnyOp => ops[node.op as keyof typeof ops]

/** The layer that a node of the forward half is of. */
function layerOf(node: Node): number | undefined {
  const layer = /^blk\.(\d+)\./.exec(nodeName(node))?.[1]
  return layer === undefined ? undefined : Number(layer)
}
