import { type Graph, type Node, nodeName, producers, valueTypes } from '../ir/graph.ts'
import type { AnyOp, Operand } from '../ir/op.ts'
import { Rewriter } from '../ir/rewrite.ts'
import { cast } from '../ops/cast.ts'
import { ops } from '../ops/registry.ts'
import { reshape } from '../ops/reshape.ts'
import { forwardNodes } from './forwardNodes.ts'

/** Which values of the forward half are stored in bf16, and which of its own nodes read them so. */
export interface NarrowValues {
  readonly values: ReadonlySet<string>
  /** Inputs of forward nodes, as `keyOf` says them. */
  readonly reads: ReadonlySet<string>
}

/**
 * What a graph with loss and gradients stores in bf16: every f32 value of its forward half that a product reads or that the
 * backward half reads, but for inputs that ops call exact. A node whose gradient reads an input so reads it so itself: the
 * gradient is that of the numbers that were computed. What only adds (a residual) reads f32.
 */
export function narrowValues(graph: Graph): NarrowValues {
  const forward = forwardNodes(graph)
  const types = valueTypes(graph)
  const sourceOf = sourcesOf(graph)
  const made = new Set(forward.slice(0, -1).flatMap(({ outputs }) => Object.values(outputs)))
  const mayRound = (value: string) => {
    const { dtype, shape } = types.get(value)!
    return made.has(value) && dtype === 'f32' && shape.length > 1
  }
  const exact = new Set<string>()
  const backward = new Map<string, Set<string>>()
  for (const node of graph.nodes) {
    if (node.of === undefined) continue
    for (const [slot, value] of Object.entries(node.inputs)) {
      if (!mayRound(value)) continue
      if (opOf(node).exact?.includes(slot)) exact.add(sourceOf(value))
      backward.set(node.of, (backward.get(node.of) ?? new Set()).add(value))
    }
  }
  const values = new Set([...backward.values()].flatMap((all) => [...all].map(sourceOf)))
  const reads = new Set<string>()
  for (const node of forward) {
    if (isView(node)) continue
    for (const [slot, value] of Object.entries(node.inputs)) {
      if (!mayRound(value) || exact.has(sourceOf(value))) continue
      if (!takesNarrow(node, slot) && !backward.get(nodeName(node))?.has(value)) continue
      values.add(sourceOf(value))
      reads.add(keyOf(node, slot))
    }
  }
  return { values: new Set([...values].filter((value) => !exact.has(value))), reads }
}

/**
 * Stores these values in bf16, rounded where they are made, as `value.bf16`. Products read them so; for every other reader they
 * are widened right before it, so that f32 values live shortly.
 */
export function storeNarrow(graph: Graph, { values, reads }: NarrowValues): Graph {
  const forward = new Set(forwardNodes(graph))
  const sourceOf = sourcesOf(graph)
  const types = valueTypes(graph)
  const to = new Rewriter(graph, ops)
  const g = to.builder
  const stored = new Map<string, Operand>()
  const narrow = (value: string): Operand => {
    const known = stored.get(value)
    if (known) return known
    const { shape } = types.get(value)!
    const heads = shape.length === 3 ? Number(shape[1]) : 0
    const view = g.apply(reshape, `${value}.bf16`, { x: narrow(sourceOf(value)) }, { heads })
    stored.set(value, view)
    return view
  }
  for (const node of graph.nodes) {
    const isForward = forward.has(node)
    const replaced: { [slot: string]: Operand } = {}
    for (const [slot, value] of Object.entries(node.inputs)) {
      const isNarrow = isForward ? reads.has(keyOf(node, slot)) : node.of !== undefined && values.has(sourceOf(value))
      if (!isNarrow) continue
      const name = `${nodeName(node)}.${slot}.wide`
      replaced[slot] = takesNarrow(node, slot)
        ? narrow(value)
        : g.apply(cast, name, { x: narrow(value) }, { dtype: 'f32' }, {}, node.of)
    }
    to.copy(node, replaced)
    if (!isForward) continue
    for (const value of Object.values(node.outputs))
      if (values.has(value))
        stored.set(value, g.apply(cast, `${value}.bf16`, { x: to.value(value) }, { dtype: 'bf16' }))
  }
  return to.finish()
}

/** An input of a node, by a name that the graph with gradients and the one without them share. */
function keyOf(node: Node, slot: string): string {
  return `${nodeName(node)} ${slot}`
}

/** Whether the op reads this input in bf16 as well. */
function takesNarrow(node: Node, slot: string): boolean {
  return opOf(node).inputs[slot]!.includes('bf16')
}

function isView({ op }: Node): boolean {
  return op === reshape.name
}

/** The value whose numbers in the same order a value is. */
function sourcesOf(graph: Graph): (value: string) => string {
  const made = producers(graph)
  const sourceOf = (value: string): string => {
    const node = made.get(value)
    return node && isView(node) && made.has(node.inputs.x!) ? sourceOf(node.inputs.x!) : value
  }
  return sourceOf
}

function opOf(node: Node): AnyOp {
  return ops[node.op as keyof typeof ops]
}
