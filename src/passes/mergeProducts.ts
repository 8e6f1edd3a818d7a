import { type Graph, type Node, valueTypes, type Weight } from '../ir/graph.ts'
import { rewriteGraph } from '../ir/rewrite.ts'
import { linear } from '../ops/linear.ts'
import { ops } from '../ops/registry.ts'
import { lastAxis } from '../ops/shapes.ts'
import { slice } from '../ops/slice.ts'

/**
 * Products of one x with several weights of one dtype (q, k, v) become one product with the weights stacked, and slices of
 * it: fewer calls and barriers, and x is read once. Biases are stacked like the weights; products with a bias and products
 * without are not joined. A weight that another op reads too is left alone, and so is an output of the graph, which needs
 * bytes of its own.
 */
export function mergeProducts(graph: Graph): Graph {
  const types = valueTypes(graph)
  const uses = new Map<string, number>()
  for (const node of graph.nodes) {
    for (const value of Object.values(node.inputs)) uses.set(value, (uses.get(value) ?? 0) + 1)
  }
  const weights = new Map(graph.weights.map((weight) => [weight.name, weight]))
  const groups = new Map<string, Node[]>()
  for (const node of graph.nodes) {
    if (node.op !== 'linear' || graph.outputs.includes(node.outputs.y!)) continue
    const { w, bias } = node.inputs
    const isOwn = (value: string) => uses.get(value) === 1 && weights.has(value)
    if (!isOwn(w!) || (bias !== undefined && !isOwn(bias))) continue
    const key = `${node.inputs.x} ${types.get(w!)!.dtype} ${bias === undefined ? 'plain' : 'biased'}`
    groups.set(key, [...(groups.get(key) ?? []), node])
  }
  const groupOf = new Map<Node, readonly Node[]>()
  for (const group of groups.values()) if (group.length > 1) for (const node of group) groupOf.set(node, group)
  return rewriteGraph(graph, ops, (node, to) => {
    const group = groupOf.get(node)
    if (!group) return false
    if (group[0] !== node) return true
    const stacked = (slot: 'w' | 'bias') => stack(group.map(({ inputs }) => weights.get(inputs[slot]!)!))
    const declare = ({ name, type, sources }: Weight) => to.builder.weight(name, type, sources)
    const inputs = {
      x: to.value(node.inputs.x!),
      w: declare(stacked('w')),
      ...(node.inputs.bias === undefined ? {} : { bias: declare(stacked('bias')) }),
    }
    const name = joinNames(group.map(({ outputs }) => outputs.y!))
    const product = to.builder.apply(linear, name, inputs, {})
    let from = 0
    for (const member of group) {
      const value = member.outputs.y!
      const cols = lastAxis(types.get(value)!)
      to.define(value, to.builder.apply(slice, value, { x: product }, { from, cols }))
      from += cols
    }
    return true
  })
}

/** Weights of one dtype and width, one below the other. */
function stack(weights: readonly Weight[]): Weight {
  const { dtype, shape } = weights[0]!.type
  const rows = weights.reduce((sum, { type }) => sum + Number(type.shape[0]), 0)
  return {
    name: joinNames(weights.map(({ name }) => name)),
    type: { dtype, shape: [rows, ...shape.slice(1)] },
    sources: weights.flatMap(({ sources }) => sources),
  }
}

/** `blk.0.attn_q.weight`, `blk.0.attn_k.weight` → `blk.0.attn_q+k.weight` */
function joinNames(names: readonly string[]): string {
  const parts = names.map((name) => name.split('.'))
  const first = parts[0]!
  const differs = first.findIndex((part, i) => parts.some((other) => other[i] !== part))
  if (differs < 0) return names.join('+')
  const variants = parts.map((other) => other[differs] ?? '')
  const stem = (variants[0]!.match(/^.*_/) ?? [''])[0]
  const isShared = variants.every((variant) => variant.startsWith(stem))
  const joined = variants.map((variant, i) => (isShared && i > 0 ? variant.slice(stem.length) : variant)).join('+')
  return first.map((part, i) => (i === differs ? joined : part)).join('.')
}
