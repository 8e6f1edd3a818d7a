import { fail } from '../base/errors.ts'
import { GraphBuilder } from './build.ts'
import { type Graph, type Node, nodeName, type TensorType, valueTypes } from './graph.ts'
import type { AnyOp, Operand, OpTable } from './op.ts'
import type { Tensor } from './tensor.ts'

export interface Interpretation {
  /** The tensors of inputs, weights and states by name; asked for at first use. */
  readonly given: (name: string, type: TensorType) => Tensor
  /** Called with every value as it is defined. */
  readonly visit?: (name: string, value: Tensor, node: Node) => void
}

/** Runs a graph in float64 by the ops' references: the oracle that needs nothing installed. Gives the graph's outputs. */
export function interpret(graph: Graph, ops: OpTable, { given, visit }: Interpretation): Map<string, Tensor> {
  const types = valueTypes(graph)
  const values = new Map<string, Tensor>()
  const lastReader = new Map<string, Node>()
  for (const node of graph.nodes) for (const value of Object.values(node.inputs)) lastReader.set(value, node)
  const read = (name: string): Tensor => {
    const known = values.get(name)
    if (known) return known
    const value = given(name, types.get(name) ?? fail('graph_invalid', { where: name, what: 'is not defined' }))
    values.set(name, value)
    return value
  }
  for (const node of graph.nodes) {
    const inputs = Object.fromEntries(Object.entries(node.inputs).map(([slot, value]) => [slot, read(value)]))
    const outputs = evaluateNode(node, types, ops, inputs)
    for (const [slot, name] of Object.entries(node.outputs)) {
      values.set(name, outputs[slot]!)
      visit?.(name, outputs[slot]!, node)
    }
    for (const value of Object.values(node.inputs)) {
      if (lastReader.get(value) === node && !graph.outputs.includes(value)) values.delete(value)
    }
  }
  return new Map(graph.outputs.map((name) => [name, read(name)]))
}

/** One node in float64: by its reference, or by the references of the ops that it decomposes into. */
export function evaluateNode(
  node: Node,
  types: ReadonlyMap<string, TensorType>,
  ops: OpTable,
  inputs: { readonly [slot: string]: Tensor },
): { readonly [slot: string]: Tensor } {
  const op = ops[node.op] ?? fail('graph_invalid', { where: nodeName(node), what: `op '${node.op}' is unknown` })
  if (op.reference) return op.reference(inputs, node.attributes)
  const slotTypes = Object.fromEntries(Object.entries(node.inputs).map(([slot, name]) => [slot, types.get(name)!]))
  const { graph, outputs } = decomposeNode(op, nodeName(node), slotTypes, node)
  const results = interpret(graph, ops, { given: (slot) => inputs[slot]! })
  return Object.fromEntries(Object.entries(outputs).map(([slot, value]) => [slot, results.get(value)!]))
}

/** The graph of ordinary ops that a fused node stands for; its inputs are called like the op's slots. */
export function decomposeNode(
  op: AnyOp,
  where: string,
  slotTypes: { readonly [slot: string]: TensorType },
  node: Pick<Node, 'attributes'>,
): { graph: Graph; outputs: { readonly [slot: string]: string } } {
  const builder = new GraphBuilder(op.name)
  const operands: Record<string, Operand> = {}
  for (const [slot, type] of Object.entries(slotTypes)) operands[slot] = builder.input(slot, type)
  const results =
    op.decompose?.(builder, operands, node.attributes) ??
    fail('graph_invalid', { where, what: `op '${op.name}' has neither reference nor decompose` })
  for (const slot of op.outputs) builder.output(results[slot]!)
  return {
    graph: builder.finish(),
    outputs: Object.fromEntries(op.outputs.map((slot) => [slot, results[slot]!.name])),
  }
}
