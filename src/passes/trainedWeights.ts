import { fail } from '../base/errors.ts'
import { type Graph, type Node, producers, type TensorType, valueTypes } from '../ir/graph.ts'
import type { OpTable } from '../ir/op.ts'
import { ops } from '../ops/registry.ts'

/**
 * What a weight is for: a table that ids choose rows of, the factor of the product that gives logits, a factor of another
 * product, one with a single axis (gains, biases), or any other (filters of convolutions).
 */
export type WeightRole = 'embedding' | 'head' | 'matrix' | 'vector' | 'other'

/** A weight that an optimizer changes. */
export interface TrainedWeight {
  readonly name: string
  readonly type: TensorType
  readonly role: WeightRole
}

/**
 * The trainable weights of a graph with a loss, in their order; of the graph as differentiate gave it, for fusions hide what a
 * weight is for. A table that is the head too counts as an embedding. Refuses `graph_invalid` where one is no f32 weight.
 */
export function trainedWeights(graph: Graph, trainable: readonly string[]): readonly TrainedWeight[] {
  const types = valueTypes(graph)
  const tables = new Set(graph.nodes.filter(({ op }) => op === 'embedding').map(({ inputs }) => inputs.table))
  const products = graph.nodes.filter(({ op }) => op === 'linear' || op === 'matmul')
  const factors = new Set(products.flatMap(({ inputs }) => Object.values(inputs)))
  const heads = headsOf(graph)
  const roleOf = (name: string, { shape }: TensorType): WeightRole => {
    if (tables.has(name)) return 'embedding'
    if (heads.has(name)) return 'head'
    if (shape.length === 1) return 'vector'
    return factors.has(name) && shape.length === 2 ? 'matrix' : 'other'
  }
  return trainable.map((name) => {
    const type = graph.weights.some((weight) => weight.name === name) ? types.get(name) : undefined
    if (type?.dtype !== 'f32')
      return fail('graph_invalid', { where: name, what: 'is trained but no f32 weight of the graph' })
    return { name, type, role: roleOf(name, type) }
  })
}

/** The matrices that logits with a loss are products with. */
function headsOf(graph: Graph): ReadonlySet<string> {
  const makers = producers(graph)
  const weights = new Set(graph.weights.filter(({ type }) => type.shape.length > 1).map(({ name }) => name))
  const heads = new Set<string>()
  const visit = (node: Node | undefined) => {
    if (!node) return
    const own = Object.values(node.inputs).filter((value) => weights.has(value))
    for (const value of own) heads.add(value)
    if (own.length > 0 || !(node.op === 'crossEntropy' || (ops as OpTable)[node.op]?.keepsLogits)) return
    for (const value of Object.values(node.inputs)) visit(makers.get(value))
  }
  for (const node of graph.nodes) if (node.op === 'crossEntropy') visit(node)
  return heads
}
