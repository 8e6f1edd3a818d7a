import { consumers, type Graph, type Node, nodeName, producers } from '../ir/graph.ts'
import { rewriteGraph } from '../ir/rewrite.ts'
import { type MatmulAttributes, matmul } from '../ops/matmul.ts'
import { ops } from '../ops/registry.ts'

/** Lets a product begin with the sum that it is added to, where nothing else reads the product. */
export function fuseSums(graph: Graph): Graph {
  const made = producers(graph)
  const readers = consumers(graph)
  const places = new Map(graph.nodes.map((node, at) => [node, at]))
  const placeOf = (value: string) => {
    const producer = made.get(value)
    return producer ? places.get(producer)! : -1
  }
  /** The additions that each product takes over. */
  const additions = new Map<Node, Node>()
  const isOwn = (value: string) => readers.get(value)?.length === 1 && !graph.outputs.includes(value)
  for (const node of graph.nodes) {
    if (node.op !== 'add') continue
    const { x = '', z = '' } = node.inputs
    // The later of the two, so that the other is there when it begins.
    const [product, sum] = placeOf(x) > placeOf(z) ? [x, z] : [z, x]
    const producer = made.get(product)
    if (product === sum || producer?.op !== 'matmul' || producer.inputs.sum !== undefined || !isOwn(product)) continue
    additions.set(producer, node)
  }
  const gone = new Set(additions.values())
  return rewriteGraph(graph, ops, (node, to) => {
    if (gone.has(node)) return true
    const addition = additions.get(node)
    if (!addition) return false
    const [product] = Object.values(node.outputs)
    const sum = addition.inputs.x === product ? addition.inputs.z! : addition.inputs.x!
    const operands = { a: to.value(node.inputs.a!), b: to.value(node.inputs.b!), sum: to.value(sum) }
    const name = nodeName(addition)
    const applied = to.builder.apply(matmul, name, operands, node.attributes as MatmulAttributes, {}, node.of)
    to.define(name, applied)
    return true
  })
}
