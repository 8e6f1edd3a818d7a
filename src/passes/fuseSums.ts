import { consumers, type Graph, type Node, nodeName, producers } from '../ir/graph.ts'
import type { AnyOp, Operand, OpTable } from '../ir/op.ts'
import { rewriteGraph } from '../ir/rewrite.ts'
import { ops } from '../ops/registry.ts'

/** An output of a node that begins with a value, and what it is called with it. */
interface Beginning {
  readonly output: string
  readonly slot: string
  readonly sum: string
  readonly name: string
}

/** Lets what an op gives begin with the value that it is added to, where the op can and nothing else reads it alone. */
export function fuseSums(graph: Graph): Graph {
  const beginnings = new Map<Node, Beginning[]>()
  const gone = new Set<Node>()
  const made = new Map(producers(graph))
  const places = new Map(graph.nodes.map((node, at) => [node, at]))
  const readers = consumers(graph)
  const placeOf = (value: string) => {
    const producer = made.get(value)
    return producer ? places.get(producer)! : -1
  }
  for (const node of graph.nodes) {
    const { x = '', z = '' } = node.inputs
    if (node.op !== 'add' || x === z) continue
    // The later of the two, so that the other is there when it begins.
    const [value, sum] = placeOf(x) > placeOf(z) ? [x, z] : [z, x]
    const producer = made.get(value)
    if (!producer || placeOf(sum) >= places.get(producer)!) continue
    const beginning = beginningOf(producer, value, sum, nodeName(node))
    const known = beginnings.get(producer) ?? []
    const isFree = beginning && !known.some(({ slot }) => slot === beginning.slot)
    if (!isFree || readers.get(value)?.length !== 1 || graph.outputs.includes(value)) continue
    beginnings.set(producer, [...known, beginning])
    gone.add(node)
    made.set(nodeName(node), producer)
  }
  return rewriteGraph(graph, ops, (node, to) => {
    if (gone.has(node)) return true
    const found = beginnings.get(node)
    if (!found) return false
    const op: AnyOp = (ops as OpTable)[node.op]!
    const inputs = Object.fromEntries(Object.entries(node.inputs).map(([slot, value]) => [slot, to.value(value)]))
    for (const { slot, sum } of found) inputs[slot] = to.value(sum)
    const names: { [output: string]: string } = { ...node.outputs }
    for (const { output, name } of found) names[output] = name
    const [first = nodeName(node)] = Object.values(names)
    to.builder.apply(op, first, inputs, node.attributes, names, node.of)
    for (const [output, value] of Object.entries(node.outputs)) {
      const operand: Operand = { name: names[output]!, type: graph.types[value]! }
      to.define(value, operand)
      to.define(operand.name, operand)
    }
    return true
  })
}

function beginningOf(node: Node, value: string, sum: string, name: string): Beginning | undefined {
  const op: AnyOp | undefined = (ops as OpTable)[node.op]
  const output = Object.entries(node.outputs).find(([, made]) => made === value)?.[0]
  const slot = output === undefined ? undefined : op?.sums?.[output]
  if (output === undefined || slot === undefined || node.inputs[slot] !== undefined) return undefined
  return { output, slot, sum, name }
}
