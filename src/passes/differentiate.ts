import { fail } from '../base/errors.ts'
import { type Graph, type Node, nodeName, printType, producers, type TensorType, valueTypes } from '../ir/graph.ts'
import type { Composer, Operand, OpTable } from '../ir/op.ts'
import { Rewriter } from '../ir/rewrite.ts'
import { add } from '../ops/add.ts'
import { constant } from '../ops/constant.ts'
import { ops } from '../ops/registry.ts'
import { dropDead } from './dropDead.ts'
import { type Flow, flowOf } from './gradientFlow.ts'

/** The gradient of a value or a weight, as it is called in the graph. */
export function gradientName(value: string): string {
  return `${value}.grad`
}

/**
 * The graph with its backward half (ir2): outputs its loss and, in their order, the gradients of the trainable weights. A
 * value that several nodes read gets the sum of what comes from each, by `add`. Every node of the backward half names the
 * forward node that it belongs to. Refuses `graph_invalid`: more outputs than a loss [1, 1], a trainable weight that the loss
 * does not depend on, an op without vjp between a trainable weight and the loss, a vjp that gives another gradient than those
 * that are asked for. `table` is for tests.
 */
export function differentiate(graph: Graph, trainable: readonly string[], table: OpTable = ops): Graph {
  const types = valueTypes(graph)
  const [loss, ...others] = graph.outputs
  if (loss === undefined || others.length > 0 || types.get(loss)!.shape.join() !== '1,1')
    return fail('graph_invalid', {
      where: graph.name,
      what: 'is differentiated only if its one output is a loss [1, 1]',
    })
  const flow = flowOf(graph, loss, trainable, table)
  const to = new Rewriter(graph, table)
  for (const node of graph.nodes) to.copy(node)
  const walk = new Backward(graph, to, flow, types)
  walk.begin(loss)
  for (const node of graph.nodes.toReversed()) walk.through(node, table)
  to.builder.output(to.value(loss))
  for (const weight of trainable) to.builder.output(walk.gradient(weight))
  walk.finish()
  // What a vjp gives besides for weights that stay as they are.
  return dropDead(to.builder.finish())
}

/** The gradients on their way from the loss to the weights. */
class Backward {
  readonly #to: Rewriter
  readonly #flow: Flow
  readonly #types: ReadonlyMap<string, TensorType>
  readonly #producers: ReadonlyMap<string, Node>
  /** What has arrived at each value and was not yet taken. */
  readonly #arrived = new Map<string, Operand[]>()

  constructor(graph: Graph, to: Rewriter, flow: Flow, types: ReadonlyMap<string, TensorType>) {
    this.#to = to
    this.#flow = flow
    this.#types = types
    this.#producers = producers(graph)
  }

  begin(loss: string): void {
    const name = gradientName(loss)
    this.#arrived.set(loss, [this.#to.builder.apply(constant, name, {}, { value: 1 }, {}, this.#origin(loss))])
  }

  /** Takes the gradients of a node's outputs, and lets those of its inputs arrive. */
  through(node: Node, table: OpTable): void {
    const wanted = this.#flow.slotsOf(node)
    if (wanted.length === 0) return
    const op = table[node.op]!
    const where = nodeName(node)
    if (!op.vjp)
      fail('graph_invalid', {
        where,
        what: `${node.op} has no vjp, and '${node.inputs[wanted[0]!]}' is between a trainable weight and the loss`,
      })
    const operands = (slots: Node['inputs']) =>
      Object.fromEntries(Object.entries(slots).map(([slot, value]) => [slot, this.#to.value(value)]))
    const given = Object.fromEntries(
      Object.entries(node.outputs).flatMap(([slot, value]) =>
        this.#arrived.has(value) ? [[slot, this.gradient(value)]] : [],
      ),
    )
    const found = op.vjp(operands(node.inputs), operands(node.outputs), given as never, node.attributes, this.#at(node))
    for (const [slot, gradient] of Object.entries(found)) {
      const value = node.inputs[slot]
      if (!gradient || value === undefined || !this.#flow.isDifferentiated(node, slot))
        fail('graph_invalid', {
          where,
          what: `the vjp of ${node.op} gives a gradient of '${slot}' that nobody takes`,
        })
      if (wanted.includes(slot)) this.#arrive(node, value, gradient)
    }
    for (const slot of wanted)
      if (!found[slot]) fail('graph_invalid', { where, what: `the vjp of ${node.op} gives no gradient of '${slot}'` })
  }

  /** The whole gradient of a value, which is taken with this. */
  gradient(value: string): Operand {
    const parts = this.#arrived.get(value) ?? []
    this.#arrived.delete(value)
    return parts.reduce((x, z, at) => {
      const name = at + 1 === parts.length ? gradientName(value) : `${gradientName(value)}.${at + 1}`
      return this.#to.builder.apply(add, name, { x, z }, {}, {}, this.#origin(value))
    })
  }

  /** Refuses gradients that nobody has taken. */
  finish(): void {
    for (const value of this.#arrived.keys())
      fail('graph_invalid', { where: value, what: 'has a gradient that nobody takes' })
  }

  #arrive(node: Node, value: string, gradient: Operand): void {
    const { shape } = this.#types.get(value)!
    const expected: TensorType = { dtype: 'f32', shape }
    if (printType(gradient.type) !== printType(expected)) {
      const what = `the vjp of ${node.op} gives ${printType(gradient.type)} for '${value}', not ${printType(expected)}`
      fail('graph_invalid', { where: nodeName(node), what })
    }
    this.#arrived.set(value, [...(this.#arrived.get(value) ?? []), gradient])
  }

  /** The node that a gradient of this value belongs to; the weight itself where it is one. */
  #origin(value: string): string {
    const producer = this.#producers.get(value)
    return producer ? nodeName(producer) : value
  }

  /**
   * Names what the vjp of a node composes: the gradient of an input is called like its value where that is all of it, else
   * `node.slot.grad`, as a part of it; anything between is called so too.
   */
  #at(node: Node): Composer {
    const where = nodeName(node)
    const nameOf = (slot: string) => {
      const value = node.inputs[slot]
      const isWhole = value !== undefined && this.#flow.usesOf(value) === 1
      return gradientName(isWhole ? value : `${where}.${slot}`)
    }
    return {
      apply: (op, name, inputs, attributes) => {
        const names = op.outputs.map((slot) => [slot, nameOf(op.outputs.length === 1 ? name : slot.replace(/^d/, ''))])
        return this.#to.builder.apply(op, name, inputs, attributes, Object.fromEntries(names), where)
      },
    }
  }
}
