import type { Dtype } from '../base/dtypes.ts'
import type { KernelDeclaration } from '../kernels/kernel.ts'
import type { Attributes, Dim, Node, TensorType } from './graph.ts'
import type { Tensor } from './tensor.ts'

/** How far a kernel may be from the reference. */
export interface Tolerance {
  /** In epsilons of f32, of the largest magnitude of the output. */
  readonly relative: number
  /** Mean squared error over mean square, for products with quantised activations. Takes the place of `relative`. */
  readonly nmse?: number
}

/** One case for the generated tests: concrete input types (first axis a number) and attributes. */
export interface Sample<I extends string, A extends Attributes> {
  readonly inputs: { readonly [K in I]?: SampleInput }
  readonly attributes: A
}

export interface SampleInput extends TensorType {
  readonly shape: readonly number[]
  /** `normal` (default), or whole numbers below `below`, or 0, 1, 2, ..., or these. */
  readonly values?: 'normal' | 'iota' | { readonly below: number } | readonly number[]
}

/** A case that `infer` must refuse, and a part of the sentence. */
export interface Refusal<I extends string, A extends Attributes> {
  readonly inputs: { readonly [K in I]?: TensorType }
  readonly attributes: A
  readonly says: string
}

/** A value as `lower` sees it. */
export interface Operand {
  readonly name: string
  readonly type: TensorType
}

/** Stands for the distance of two rows of an operand, known once its place is. */
export interface StrideOf {
  readonly strideOf: Operand
}

/** A weight in the layout that a kernel wants, from one or (panelPairs) two weights. */
export interface Packed {
  readonly packed: readonly Operand[]
}

export type CallArguments<D extends string, A extends string, B extends string> = {
  readonly [K in D]: Dim | StrideOf
} & { readonly [K in A]: number } & { readonly [K in B]: Operand | Packed | null }

/** What an op's `lower` may say. Calls happen in the order they are given. */
export interface Lowering {
  /** Calls a kernel. Dtypes, strides and layouts are checked against its declaration. */
  call<D extends string, A extends string, B extends string>(
    kernel: KernelDeclaration<D, A, B>,
    args: CallArguments<D, A, B>,
  ): void
  /** Says that `output` is `input`'s bytes from column `offset` (elements of a row) on; no call. */
  view(output: Operand, input: Operand, offset?: number): void
  /** Rows from .. from + count - 1 of an operand, whose memory it takes where it has none yet. */
  rows(operand: Operand, from: number, count: number): Operand
  /** Says that `output` is the next version of the state `input`, in the same bytes. */
  advance(output: Operand, input: Operand): void
  stride(operand: Operand): StrideOf
  /** A value of the op's own, for what one of its calls leaves to another; called like the node, and `name`. */
  scratch(name: string, type: TensorType): Operand
  /** The largest that a size becomes in this program. */
  most(dim: Dim): number
}

/** Everything about an op, in one record. I, O: input and output slots; P: input slots that may be absent. */
export interface OpDefinition<I extends string = string, O extends string = string, A extends Attributes = Attributes> {
  readonly name: string
  /** Slots and the dtypes that each accepts. */
  readonly inputs: { readonly [K in I]: readonly Dtype[] }
  readonly optional?: readonly NoInfer<I>[]
  readonly outputs: readonly O[]
  /** Outputs that begin with an optional input, of their type, that they are added to; without it with 0. */
  readonly sums?: { readonly [K in O]?: NoInfer<I> }
  /** Outputs that are the next version of a state, in the same bytes, and the input that is its last one. */
  readonly advances?: { readonly [K in O]?: NoInfer<I> }
  /** Whether its results are kept for the backward half rather than made again where memory is scarce: they take most of the time. */
  readonly isDear?: true
  /** Whether it gives logits where it is given logits, so that the head lies before it. */
  readonly keepsLogits?: true
  /** Result types, or a refusal through `refuse`. Dtypes have been checked against `inputs` already. */
  infer(
    inputs: { readonly [K in I]: TensorType },
    attributes: A,
    refuse: (what: string) => never,
  ): { readonly [K in O]: TensorType }
  /** Plain float64 loops; every kernel is judged against it. A fused op has `decompose` instead. */
  reference?(inputs: { readonly [K in I]: Tensor }, attributes: A): { readonly [K in O]: Tensor }
  /** A fused op in ordinary ops. */
  decompose?(g: Composer, inputs: { readonly [K in I]: Operand }, attributes: A): { readonly [K in O]: Operand }
  /** Inputs of numbers that have no gradient: tables, and what backward ops read. */
  readonly constants?: readonly NoInfer<I>[]
  /** Inputs that training keeps as they are where it stores others in fewer bits: few numbers, whose rounding adds up. */
  readonly exact?: readonly NoInfer<I>[]
  /**
   * The gradient of each input of numbers, as ops, from the gradients of the outputs, which are undefined where nothing flows.
   * An op that gives the gradient of input `x` is called `x`, and output `dx` of an op with several is that of `x`. An op
   * without this rule is not differentiated; one with `decompose` is taken apart before.
   */
  vjp?(
    inputs: { readonly [K in I]: Operand },
    outputs: { readonly [K in O]: Operand },
    gradients: { readonly [K in O]: Operand },
    attributes: A,
    g: Composer,
  ): { readonly [K in I]?: Operand }
  /** The kernel calls. Absent inputs are undefined. */
  lower(
    inputs: { readonly [K in I]: Operand },
    outputs: { readonly [K in O]: Operand },
    attributes: A,
    to: Lowering,
  ): void
  readonly tolerance: Tolerance
  /** Cases; `lanes` is the vector width of the target, for sizes around it. */
  samples(lanes: number): readonly Sample<NoInfer<I>, NoInfer<A>>[]
  readonly refusals: readonly Refusal<NoInfer<I>, NoInfer<A>>[]
}

/** The part of the graph builder that `decompose` and `vjp` need. */
export interface Composer {
  apply<I extends string, O extends string, A extends Attributes>(
    op: OpDefinition<I, O, A>,
    name: string,
    inputs: { readonly [K in I]?: Operand },
    attributes: A,
  ): Applied<O>
}

/** The result of applying an op: the value itself where it has one output, else the values by slot. */
export type Applied<O extends string> = IsUnion<O> extends true ? { readonly [K in O]: Operand } : Operand

type IsUnion<T, U = T> = T extends unknown ? ([U] extends [T] ? false : true) : never

/** Defines an op. */
export function defineOp<const I extends string, const O extends string, A extends Attributes>(
  definition: OpDefinition<I, O, A>,
): OpDefinition<I, O, A> {
  return definition
}

/** Outputs of a node that are the next version of a state, and the input that is its last one: by its op, or by its own choice. */
export function advancesOf(op: AnyOp | undefined, node: Node): readonly (readonly [output: string, input: string])[] {
  const own = (node.advances ?? []).map((output) => [output, op?.sums?.[output] ?? ''] as const)
  return [...Object.entries(op?.advances ?? {}).map(([output, input]) => [output, input!] as const), ...own]
}

/** Any op, for code that treats all alike. Its methods are bivariant: slots were checked where the op was defined. */
export type AnyOp = OpDefinition<string, string, Attributes>

/** Ops by name, as passes, verifier and interpreter take them. */
export type OpTable = { readonly [name: string]: AnyOp }
