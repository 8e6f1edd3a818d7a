import { type Graph, type Node, valueTypes } from '../ir/graph.ts'
import { rewriteGraph } from '../ir/rewrite.ts'
import { linear } from '../ops/linear.ts'
import { ops } from '../ops/registry.ts'
import { lastAxis } from '../ops/shapes.ts'
import { slice } from '../ops/slice.ts'

/**
 * Products of one x with several weights of one dtype (q, k, v) become one product with the weights stacked, and slices of
 * it: fewer calls and barriers, and x is read once. A weight that another op reads too is left alone, and so is an output of
 * the graph, which needs bytes of its own.
 */
export function mergeProducts(graph: Graph): Graph {
  const types = valueTypes(graph)
  const uses = new Map<string, number>()
  for (const node of graph.nodes) {
    for (const value of Object.values(node.inputs)) uses.set(value, (uses.get(value) ?? 0) + 1)
  }
  const groups = new Map<string, Node[]>()
  for (const node of graph.nodes) {
    const w = node.inputs.w
    const weight = graph.weights.find(({ name }) => name === w)
    if (node.op !== 'linear' || !weight || uses.get(weight.name) !== 1) continue
    if (graph.outputs.includes(node.outputs.y!)) continue
    const key = `${node.inputs.x} ${weight.type.dtype}`
    groups.set(key, [...(groups.get(key) ?? []), node])
  }
  const groupOf = new Map<Node, readonly Node[]>()
  for (const group of groups.values()) if (group.length > 1) for (const node of group) groupOf.set(node, group)
  return rewriteGraph(graph, ops, (node, to) => {
    const group = groupOf.get(node)
    if (!group) return false
    if (group[0] !== node) return true
    const weights = group.map(({ inputs }) => graph.weights.find(({ name }) => name === inputs.w)!)
    const rows = weights.map(({ type }) => Number(type.shape[0]))
    const type = {
      dtype: weights[0]!.type.dtype,
      shape: [rows.reduce((sum, count) => sum + count, 0), lastAxis(weights[0]!.type)],
    }
    const stacked = to.builder.weight(
      joinNames(weights.map(({ name }) => name)),
      type,
      weights.flatMap(({ sources }) => sources),
    )
    const x = to.value(node.inputs.x!)
    const name = joinNames(group.map(({ outputs }) => outputs.y!))
    const product = to.builder.apply(linear, name, { x, w: stacked }, {})
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
