import type { Dtype } from '../base/dtypes.ts'

/** A size: a number, or a symbol that a step binds (`tokens`, `outputs`). Only the first axis of a value may be a symbol. */
export type Dim = number | string

/** Dtype and shape, outermost axis first. */
export interface TensorType {
  readonly dtype: Dtype
  readonly shape: readonly Dim[]
}

export type AttributeValue = number | string | boolean
export type Attributes = { readonly [name: string]: AttributeValue }

/** The attributes of an op that has none. */
export type NoAttributes = { readonly [name: string]: never }

/** A tensor that is given from outside: ids, positions. */
export interface Input {
  readonly name: string
  readonly type: TensorType
}

/** A constant from the checkpoint. `sources` are our names of checkpoint tensors, stacked along the first axis. */
export interface Weight {
  readonly name: string
  readonly type: TensorType
  readonly sources: readonly string[]
}

/** Memory that outlives a step: a cache. An op that changes it takes it as input and gives its next version. */
export interface State {
  readonly name: string
  readonly type: TensorType
}

/** One application of an op. Slots map to value names; each output name is defined once in the graph (SSA). */
export interface Node {
  readonly op: string
  readonly inputs: { readonly [slot: string]: string }
  readonly outputs: { readonly [slot: string]: string }
  readonly attributes: Attributes
  /** Output slots that begin with a state (`sums` of the op) and are its next version, in the same bytes. */
  readonly advances?: readonly string[]
  /** Of a node that computes gradients: the node of the forward graph, or the weight, whose they are. */
  readonly of?: string
}

/** Level 1: which ops on which tensors. Says nothing of memory, kernels, ISA or threads. */
export interface Graph {
  readonly name: string
  readonly inputs: readonly Input[]
  readonly weights: readonly Weight[]
  readonly states: readonly State[]
  readonly nodes: readonly Node[]
  /** Types of node outputs by name. */
  readonly types: { readonly [value: string]: TensorType }
  readonly outputs: readonly string[]
}

/** The type of any value of the graph; undefined where the name is unknown. */
export function typeOf(graph: Graph, value: string): TensorType | undefined {
  return valueTypes(graph).get(value)
}

/** Types of all values: inputs, weights, states and node outputs. */
export function valueTypes(graph: Graph): Map<string, TensorType> {
  const types = new Map<string, TensorType>()
  for (const { name, type } of [...graph.inputs, ...graph.weights, ...graph.states]) types.set(name, type)
  for (const [name, type] of Object.entries(graph.types)) types.set(name, type)
  return types
}

/** How the node is called in messages: its first output. */
export function nodeName(node: Node): string {
  return Object.values(node.outputs)[0] ?? node.op
}

/** The nodes that read each value. */
export function consumers(graph: Graph): Map<string, Node[]> {
  const readers = new Map<string, Node[]>()
  for (const node of graph.nodes) {
    for (const value of new Set(Object.values(node.inputs))) readers.set(value, [...(readers.get(value) ?? []), node])
  }
  return readers
}

/** The node that defines each value. */
export function producers(graph: Graph): Map<string, Node> {
  return new Map(graph.nodes.flatMap((node) => Object.values(node.outputs).map((value) => [value, node] as const)))
}

/** `f32[tokens, 64]` */
export function printType(type: TensorType): string {
  return `${type.dtype}[${type.shape.join(', ')}]`
}

export function equalTypes(a: TensorType, b: TensorType): boolean {
  return a.dtype === b.dtype && a.shape.length === b.shape.length && a.shape.every((dim, i) => dim === b.shape[i])
}

/** Product of the axes from `from` on, which must be numbers (only the first axis may be a symbol). */
export function elementsFrom(shape: readonly Dim[], from: number): number {
  return shape.slice(from).reduce<number>((product, dim) => product * Number(dim), 1)
}
