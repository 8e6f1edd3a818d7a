import { fail } from '../base/errors.ts'
import { GraphBuilder } from './build.ts'
import { type Graph, type Node, nodeName } from './graph.ts'
import type { AnyOp, Operand, OpTable } from './op.ts'

/** Replays a graph into a new one; a pass decides per node what comes in its place. */
export class Rewriter {
  readonly builder: GraphBuilder
  readonly #graph: Graph
  readonly #ops: OpTable
  readonly #values = new Map<string, Operand>()

  constructor(graph: Graph, ops: OpTable) {
    this.#graph = graph
    this.#ops = ops
    this.builder = new GraphBuilder(graph.name)
    for (const { name, type } of graph.inputs) this.#values.set(name, this.builder.input(name, type))
    for (const { name, type } of graph.states) this.#values.set(name, this.builder.state(name, type))
  }

  /** The new operand of a value of the old graph. A weight is declared at its first use, so unused ones fall away. */
  value(name: string): Operand {
    const known = this.#values.get(name)
    if (known) return known
    const weight = this.#graph.weights.find((candidate) => candidate.name === name)
    if (!weight) return fail('graph_invalid', { where: name, what: 'is read before it is defined' })
    const operand = this.builder.weight(weight.name, weight.type, weight.sources)
    this.#values.set(name, operand)
    return operand
  }

  /** Says what stands for a value of the old graph from here on. */
  define(name: string, operand: Operand): void {
    this.#values.set(name, operand)
  }

  /** Adds a node as it was, on the new operands; `replaced` gives other operands for some slots. */
  copy(node: Node, replaced: { readonly [slot: string]: Operand } = {}): void {
    const op: AnyOp =
      this.#ops[node.op] ?? fail('graph_invalid', { where: nodeName(node), what: `op '${node.op}' is unknown` })
    const inputs = Object.fromEntries(
      Object.entries(node.inputs).map(([slot, name]) => [slot, replaced[slot] ?? this.value(name)]),
    )
    const result: Operand | { readonly [slot: string]: Operand } = this.builder.apply(
      op,
      nodeName(node),
      inputs,
      node.attributes,
      node.outputs,
      node.of,
      node.advances,
    )
    for (const [slot, name] of Object.entries(node.outputs)) {
      this.define(name, isSingle(result) ? result : result[slot]!)
    }
  }

  finish(): Graph {
    for (const name of this.#graph.outputs) this.builder.output(this.value(name))
    return this.builder.finish()
  }
}

/** An op with one output gives the operand itself, one with several a record of them. */
function isSingle(result: Operand | { readonly [slot: string]: Operand }): result is Operand {
  return typeof result.name === 'string'
}

/** Rebuilds the graph; `visit` returns true where it has put something in the node's place (or nothing, to drop it). */
export function rewriteGraph(graph: Graph, ops: OpTable, visit: (node: Node, to: Rewriter) => boolean): Graph {
  const to = new Rewriter(graph, ops)
  for (const node of graph.nodes) if (!visit(node, to)) to.copy(node)
  return to.finish()
}
