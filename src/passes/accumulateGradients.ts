import { fail } from '../base/errors.ts'
import { consumers, equalTypes, type Graph, type Node, nodeName, producers } from '../ir/graph.ts'
import type { AnyOp, Operand } from '../ir/op.ts'
import { Rewriter } from '../ir/rewrite.ts'
import { ops } from '../ops/registry.ts'
import { gradientName } from './differentiate.ts'
import { lossAndGradients } from './lossAndGradients.ts'
import type { TrainingGraph } from './trainingGraph.ts'

/** An output of a node, and the input that it begins with. */
interface Link {
  readonly node: Node
  readonly output: string
  readonly slot: string
}

/**
 * The graph of a further micro-batch, whose gradients are no outputs any more: they go into the states `w.grad`. The first op
 * that makes a gradient begins with the state and all go on in its bytes, so that the rows of all micro-batches are one chain of
 * additions. Output: the loss. Refuses `graph_invalid` where a gradient is no such chain, or that of several weights.
 */
export function accumulateGradients(training: TrainingGraph): Graph {
  const { graph, trainable } = training
  const { loss, gradients } = lossAndGradients(training)
  const to = new Rewriter({ ...graph, outputs: [loss] }, ops)
  const begun = new Map<Node, Map<string, { link: Link; state?: string }>>()
  const chained = new Map<string, string>()
  for (const [at, weight] of trainable.entries()) {
    const gradient = gradients[at]!
    const chain = chained.has(gradient) ? undefined : chainOf(graph, gradient)
    if (!chain) {
      const what = `its gradient '${gradient}' is no chain of additions of its own, which micro-batches could go on with`
      return fail('graph_invalid', { where: weight, what })
    }
    chained.set(gradient, `${gradientName(weight)}.next`)
    for (const [place, link] of chain.entries()) {
      const links = begun.get(link.node) ?? new Map()
      begun.set(link.node, links.set(link.output, { link, ...(place === 0 ? { state: gradientName(weight) } : {}) }))
    }
  }
  for (const node of graph.nodes) {
    const links = [...(begun.get(node)?.values() ?? [])]
    const states = links.flatMap(({ link: { slot, output }, state }) =>
      state === undefined ? [] : [[slot, to.builder.state(state, graph.types[node.outputs[output]!]!)] as const],
    )
    copyRenamed(node, to, (value) => chained.get(value) ?? value, {
      inputs: Object.fromEntries(states),
      ...(links.length === 0 ? {} : { advances: links.map(({ link }) => link.output) }),
    })
  }
  return to.finish()
}

/**
 * The nodes that add to a gradient one behind the other, from the one that begins with nothing on; undefined where one of them
 * cannot begin with a value, or what it gives is read by others too.
 */
function chainOf(graph: Graph, gradient: string): readonly Link[] | undefined {
  const made = producers(graph)
  const readers = consumers(graph)
  const links: Link[] = []
  for (let value: string | undefined = gradient; value !== undefined; ) {
    const node: Node | undefined = made.get(value)
    const output: string | undefined = Object.entries(node?.outputs ?? {}).find(([, name]) => name === value)?.[0]
    const isRead = (readers.get(value) ?? []).length > (value === gradient ? 0 : 1)
    const isOther = value !== gradient && graph.outputs.includes(value)
    if (!node || output === undefined || isRead || isOther) return undefined
    const slot: string | undefined = opOf(node).sums?.[output]
    if (slot === undefined || !equalTypes(graph.types[value]!, graph.types[gradient]!)) return undefined
    links.unshift({ node, output, slot })
    value = node.inputs[slot]
  }
  return links
}

function opOf(node: Node): AnyOp {
  return (
    ops[node.op as keyof typeof ops] ??
    fail('graph_invalid', { where: nodeName(node), what: `op '${node.op}' is unknown` })
  )
}

/** Copies a node with other names for its outputs and more inputs. */
function copyRenamed(
  node: Node,
  to: Rewriter,
  rename: (value: string) => string,
  {
    inputs: more,
    advances,
  }: { readonly inputs: { readonly [slot: string]: Operand }; readonly advances?: readonly string[] },
): void {
  const op = opOf(node)
  const inputs = Object.fromEntries(Object.entries(node.inputs).map(([slot, value]) => [slot, to.value(value)]))
  const names = Object.fromEntries(Object.entries(node.outputs).map(([slot, value]) => [slot, rename(value)]))
  const all = { ...inputs, ...more }
  const result = to.builder.apply(op, nodeName(node), all, node.attributes, names, node.of, advances)
  const outputs: { readonly [slot: string]: Operand } =
    op.outputs.length === 1 ? { [op.outputs[0]!]: result as unknown as Operand } : (result as never)
  for (const [slot, value] of Object.entries(node.outputs)) to.define(value, outputs[slot]!)
}
