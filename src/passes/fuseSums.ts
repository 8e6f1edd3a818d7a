import { consumers, type Graph, type Node, nodeName, producers } from '../ir/graph.ts'
import type { AnyOp, Operand } from '../ir/op.ts'
import { rewriteGraph } from '../ir/rewrite.ts'
import { ops } from '../ops/registry.ts'

/**
 * Lets an op whose first output may begin with a `sum` take over the addition that follows it, where nothing else reads the
 * output: products, and gradients of norms, slices and rows.
 */
export function fuseSums(graph: Graph): Graph {
  const additions = absorbedAdditions(graph)
  const gone = new Set(additions.values())
  return rewriteGraph(graph, ops, (node, to) => {
    if (gone.has(node)) return true
    const addition = additions.get(node)
    if (!addition) return false
    const op: AnyOp = ops[node.op as keyof typeof ops]
    const first = op.outputs[0]!
    const sum = addition.inputs.x === node.outputs[first] ? addition.inputs.z! : addition.inputs.x!
    const operands = Object.fromEntries(
      Object.entries({ ...node.inputs, sum }).map(([slot, value]) => [slot, to.value(value)]),
    )
    const name = nodeName(addition)
    const names = { ...node.outputs, [first]: name }
    const applied = to.builder.apply(op, name, operands, node.attributes, names, node.of)
    const results: { readonly [slot: string]: Operand } =
      op.outputs.length === 1 ? { [first]: applied as unknown as Operand } : (applied as never)
    for (const slot of op.outputs) to.define(names[slot]!, results[slot]!)
    return true
  })
}

/** The addition that each node takes over. */
function absorbedAdditions(graph: Graph): ReadonlyMap<Node, Node> {
  const made = producers(graph)
  const readers = consumers(graph)
  const places = new Map<string, number>()
  const placeOf = (value: string) => places.get(value) ?? -1
  const additions = new Map<Node, Node>()
  graph.nodes.forEach((node, at) => {
    for (const value of Object.values(node.outputs)) places.set(value, at)
    if (node.op !== 'add') return
    const { x = '', z = '' } = node.inputs
    // The later of the two, so that the other is there when it begins.
    const [last, sum] = placeOf(x) > placeOf(z) ? [x, z] : [z, x]
    const producer = made.get(last)
    if (placeOf(last) === placeOf(sum) || !producer || !mayBegin(producer, last) || additions.has(producer)) return
    if (readers.get(last)?.length !== 1 || graph.outputs.includes(last)) return
    additions.set(producer, node)
    // The result is there as soon as what takes the addition over.
    places.set(nodeName(node), placeOf(last))
  })
  return additions
}

/** Whether a value is the first output of a node that could begin with a sum and does not yet. */
function mayBegin(node: Node, value: string): boolean {
  const op: AnyOp = ops[node.op as keyof typeof ops]
  return node.outputs[op.outputs[0]!] === value && !!op.optional?.includes('sum') && node.inputs.sum === undefined
}
