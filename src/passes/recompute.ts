import { consumers, type Graph, type Node, nodeName } from '../ir/graph.ts'
import type { AnyOp, Operand } from '../ir/op.ts'
import { Rewriter } from '../ir/rewrite.ts'
import { cast } from '../ops/cast.ts'
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
  const readers = consumers(graph)
  const layerOf = layersOf(readers)
  const copied = copiedNodes(forward, kept, { readers, layerOf, outputs: new Set(graph.outputs) })
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

interface Surroundings {
  readonly readers: ReadonlyMap<string, readonly Node[]>
  /** The layer that a node of the forward half is of. */
  readonly layerOf: (node: Node) => number | undefined
  readonly outputs: ReadonlySet<string>
}

/** The nodes whose results are made again. */
function copiedNodes(
  forward: readonly Node[],
  kept: (layer: number) => Kept,
  { readers, layerOf, outputs }: Surroundings,
): ReadonlySet<Node> {
  const made = new Map(forward.flatMap((node) => Object.values(node.outputs).map((value) => [value, node] as const)))
  // Whether to make a value again takes the result of a product, or an f32 value of another layer.
  const takesDear = (value: string, layer: number): boolean => {
    const node = made.get(value)
    if (!node || isNarrow(node)) return false
    if (opOf(node).isDear || layerOf(node) !== layer) return true
    return Object.values(node.inputs).some((input) => takesDear(input, layer))
  }
  return new Set(
    forward.filter((node) => {
      const layer = layerOf(node)
      if (layer === undefined || kept(layer) === 'all') return false
      if (kept(layer) === 'products') {
        if (opOf(node).isDear) return false
        if (isNarrow(node) && takesDear(node.inputs.x!, layer)) return false
      }
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

/** Whether a node stores a value in bf16: it is kept in place of the product that it rounds. */
function isNarrow({ op, attributes }: Node): boolean {
  return op === cast.name && attributes.dtype === 'bf16'
}

/** The layer of a node by its name; what stores a value in bf16 is of the layer that first reads it so. */
function layersOf(readers: ReadonlyMap<string, readonly Node[]>): (node: Node) => number | undefined {
  return (node) => layerOfName(nodeName((isNarrow(node) && readers.get(node.outputs.y!)?.[0]) || node))
}

function layerOfName(name: string): number | undefined {
  const layer = /^blk\.(\d+)\./.exec(name)?.[1]
  return layer === undefined ? undefined : Number(layer)
}
