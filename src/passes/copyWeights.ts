import { GraphBuilder } from '../ir/build.ts'
import type { Graph, State, TensorType } from '../ir/graph.ts'
import { type AnyOp, advancesOf, type Operand } from '../ir/op.ts'
import { Rewriter } from '../ir/rewrite.ts'
import { ops } from '../ops/registry.ts'
import { weightCopy } from '../ops/weightCopy.ts'

/** The bf16 copy of a weight, as it is called among the states. */
const copyName = (weight: string) => `${weight}.bf16`

/** The weight that a state is, or is the copy of. */
export function copiedWeight(state: string): string {
  return state.replace(/\.bf16$/, '')
}

/** The weights of a graph, f32 matrices, that products and tables read and may read in bf16. */
export function copiedWeights(graph: Graph): readonly State[] {
  const read = new Set(
    graph.nodes.flatMap(({ op, inputs }) =>
      Object.entries(inputs).flatMap(([slot, value]) => (takesCopy(op, slot) ? [value] : [])),
    ),
  )
  return graph.weights
    .filter(({ name, type }) => type.dtype === 'f32' && type.shape.length === 2 && read.has(name))
    .map(({ name, type }) => ({ name, type }))
}

/**
 * Lets products and tables read these weights, which are states, from copies in bf16, states `w.bf16` beside them. Where a weight
 * is updated, its copy is made anew.
 */
export function readCopies(graph: Graph, weights: readonly State[]): Graph {
  const types = new Map(weights.map(({ name, type }) => [name, type]))
  const to = new Rewriter(graph, ops)
  const g = to.builder
  const copies = new Map<string, Operand>()
  const copyOf = (weight: string): Operand => {
    const copy = copies.get(weight) ?? g.state(copyName(weight), copyType(types.get(weight)!))
    copies.set(weight, copy)
    return copy
  }
  for (const node of graph.nodes) {
    const replaced = Object.entries(node.inputs).flatMap(([slot, value]) =>
      types.has(value) && takesCopy(node.op, slot) ? [[slot, copyOf(value)] as const] : [],
    )
    to.copy(node, Object.fromEntries(replaced))
    const op: AnyOp = ops[node.op as keyof typeof ops]
    for (const [output, input] of advancesOf(op, node)) {
      const weight = node.inputs[input]!
      if (types.has(weight)) refresh(g, weight, to.value(node.outputs[output]!), copyOf(weight))
    }
  }
  return to.finish()
}

/** The graph that makes the copies of these weights: they begin with it, and where weights are read from a file. */
export function copyGraph(weights: readonly State[]): Graph {
  const g = new GraphBuilder('copy')
  for (const { name, type } of weights) refresh(g, name, g.state(name, type), g.state(copyName(name), copyType(type)))
  return g.finish()
}

function refresh(g: GraphBuilder, name: string, weight: Operand, copy: Operand): void {
  g.apply(weightCopy, `${copy.name}.next`, { weight, copy }, {}, {}, name)
}

function copyType({ shape }: TensorType): TensorType {
  return { dtype: 'bf16', shape }
}

function takesCopy(name: string, slot: string): boolean {
  const op: AnyOp = ops[name as keyof typeof ops]
  return op.inputs[slot]!.includes('bf16')
}
