import { fail } from '../base/errors.ts'
import { type Graph, type Node, nodeName } from '../ir/graph.ts'
import type { AnyOp, Operand } from '../ir/op.ts'
import { Rewriter } from '../ir/rewrite.ts'
import { accumulate } from '../ops/accumulate.ts'
import { ops } from '../ops/registry.ts'
import { gradientName } from './differentiate.ts'
import { lossAndGradients } from './lossAndGradients.ts'
import type { TrainingGraph } from './trainingGraph.ts'

/**
 * The graph of a further micro-batch: its gradients are added to the states `w.grad`, as soon as they are complete, and are no
 * outputs any more. What it adds is called `w.grad.part`. Output: the loss.
 */
export function accumulateGradients(training: TrainingGraph): Graph {
  const { graph, trainable } = training
  const { loss, gradients } = lossAndGradients(training)
  const to = new Rewriter({ ...graph, outputs: [loss] }, ops)
  const weightsOf = new Map<string, string[]>()
  trainable.forEach((weight, at) => {
    weightsOf.set(gradients[at]!, [...(weightsOf.get(gradients[at]!) ?? []), weight])
  })
  const sums = new Set(trainable.map(gradientName))
  for (const node of graph.nodes) {
    const parts = copyRenamed(node, to, (value) => (sums.has(value) ? `${value}.part` : value))
    for (const [value, part] of parts) {
      for (const weight of weightsOf.get(value) ?? []) {
        const sum = to.builder.state(gradientName(weight), part.type)
        to.builder.apply(accumulate, `${sum.name}.next`, { sum, x: part }, {}, {}, weight)
      }
    }
  }
  return to.finish()
}

/** Copies a node with other names for its outputs; gives what now stands for each of them. */
function copyRenamed(node: Node, to: Rewriter, rename: (value: string) => string): [string, Operand][] {
  const op: AnyOp =
    ops[node.op as keyof typeof ops] ??
    fail('graph_invalid', { where: nodeName(node), what: `op '${node.op}' is unknown` })
  const inputs = Object.fromEntries(Object.entries(node.inputs).map(([slot, value]) => [slot, to.value(value)]))
  const names = Object.fromEntries(Object.entries(node.outputs).map(([slot, value]) => [slot, rename(value)]))
  const result = to.builder.apply(op, nodeName(node), inputs, node.attributes, names, node.of)
  const outputs: { readonly [slot: string]: Operand } =
    op.outputs.length === 1 ? { [op.outputs[0]!]: result as unknown as Operand } : (result as never)
  return Object.entries(node.outputs).map(([slot, value]) => {
    to.define(value, outputs[slot]!)
    return [value, outputs[slot]!]
  })
}
