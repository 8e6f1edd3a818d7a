import type { Dtype } from '../base/dtypes.ts'

/**
 * How the elements of a buffer lie in memory.
 * - `rows`: row-major; the first axis may have its own stride.
 * - `panels`: rows interleaved by the lanes of the target, see layouts.ts. Rows are padded with zeros to whole panels.
 * - `panelPairs`: two matrices of equal shape, panel by panel in turn (gate 0, up 0, gate 1, up 1, ...).
 * - `keyPanels`: a cache [sequences, heads, context / lanes, width, lanes]: positions interleaved by the lanes. Of a block
 *   format every panel of positions begins with its scales [width / 32, lanes], and the codes of the columns follow.
 * - `valuePanels`: a cache [sequences, heads, context / lanes, lanes, width], which is row-major. Of a block format every
 *   panel of positions begins with its scales [width / 32, lanes] as well.
 */
export type Layout = 'rows' | 'panels' | 'panelPairs' | 'keyPanels' | 'valuePanels'

/** C type of a scalar attribute. */
export type AttributeType = 'float' | 'double' | 'int64_t'

export interface BufferParameter<D extends string> {
  readonly dtype: Dtype
  /** `update`: read and written, and what the call does not write keeps its value. */
  readonly access: 'read' | 'write' | 'update'
  /** Logical shape, outermost first, in the kernel's dims or plain numbers. */
  readonly shape: readonly (D | number)[]
  /** The dim that holds the distance of two steps of the first axis, in elements. Absent: dense. */
  readonly rowStride?: D
  readonly layout?: Layout
  /** Only this many of its rows are touched; the data say which. Absent: all. */
  readonly touched?: D
  /** May be NULL. */
  readonly optional?: true
  /**
   * Room for a call's own work (access `write`), [elements] of f32: what it holds before and after a call means nothing.
   * `pieces`: any size will do, and a part keeps to its own of as many equal pieces of whole cache lines as there are parts
   * (`pieceElements`). So calls with the same room need no barrier between them.
   */
  readonly scratch?: 'whole' | 'pieces'
}

/**
 * How the work is divided: the product of `items` is divided into contiguous ranges, one per part, in row-major order. A
 * buffer in `own` is touched by a part only inside its own items. Two calls with equal items need no barrier between them
 * for buffers that both own.
 */
export interface Split<D extends string = string, B extends string = string> {
  /** Dims, or blocks of `each` steps of a dim, of which the last may be shorter. */
  readonly items: readonly (D | { readonly dim: D; readonly each: number })[]
  readonly own: readonly B[]
  /** The own buffers are owned only where these dims are 1. */
  readonly ownWhenOne?: readonly D[]
  /** More parts cost next to nothing: threads that are done may take pieces of the work of others. */
  readonly fine?: true
  /** A dim that changes nothing but the items: the plan chooses it so that the items are those of the call that made `like`. */
  readonly free?: { readonly dim: D; readonly like: B }
}

/** Elements of each part's piece of a scratch. */
export function pieceElements(room: number, parts: number): number {
  return Math.floor(room / parts / 16) * 16
}

/** The name of an item in text. */
export function itemName(item: Split['items'][number]): string {
  return typeof item === 'string' ? item : `${item.dim} by ${item.each}`
}

/** Items of one kind, given the size of its dim. */
export function itemCount(item: Split['items'][number], size: number): number {
  return typeof item === 'string' ? size : Math.ceil(size / item.each)
}

/** The dim of an item. */
export function itemDim(item: Split['items'][number]): string {
  return typeof item === 'string' ? item : item.dim
}

/**
 * The items as the equal shares of the own buffers: their counts without those of one, which change nothing. Undefined where
 * the parts own nothing. `size` gives the size of a dim, or the symbol that stands for it.
 */
export function ownItems<S extends string>(
  split: Split,
  size: (dim: string) => number | S,
): readonly (number | S)[] | undefined {
  if (split.ownWhenOne?.some((dim) => size(dim) !== 1)) return undefined
  const counts: (number | S)[] = []
  for (const item of split.items) {
    const steps = size(itemDim(item))
    if (typeof item !== 'string' && (typeof steps !== 'number' || steps % item.each !== 0)) return undefined
    const count = typeof steps === 'number' ? itemCount(item, steps) : steps
    if (count !== 1) counts.push(count)
  }
  return counts
}

export interface KernelDeclaration<
  D extends string = string,
  A extends string = string,
  B extends string = string,
  N extends string = string,
> {
  /** `<family>_<fwd|bwd>_<dtypes>`; the C symbol is `ck_` + name. */
  readonly name: N
  /** The folder of src/kernels whose C file defines it. */
  readonly family: string
  /**
   * The dtype that tells it from others of its family, which have the same body: that of its weights, or of its caches. A
   * build compiles the body for the dtypes that it calls.
   */
  readonly dtype?: Dtype
  /** Sizes, in the order of the C parameters: int64_t. */
  readonly dims: readonly D[]
  readonly attributes: { readonly [K in A]: AttributeType }
  readonly buffers: { readonly [K in B]: BufferParameter<D> }
  /** Pairs (written, read) that may be the same bytes with the same stride. Others must not overlap. */
  readonly inPlace: readonly (readonly [NoInfer<B>, NoInfer<B>])[]
  readonly split: Split<NoInfer<D>, NoInfer<B>>
  /** Rows of its outputs depend on other rows of its inputs: none can be computed alone. */
  readonly mixesRows?: true
  /** Floating-point or integer operations of one call; a multiply-add counts two. */
  flops(dims: { readonly [K in D]: number }): number
}

/** Declares a kernel. The C signature is `void ck_<name>(int part, int parts, <dims>, <attributes>, <buffers>)`. */
export function defineKernel<
  const D extends string,
  const A extends string,
  const B extends string,
  const N extends string,
>(declaration: KernelDeclaration<D, A, B, N>): KernelDeclaration<D, A, B, N> {
  return declaration
}

/** Any kernel, for code that treats all alike. */
export type Kernel = KernelDeclaration<string, string, string>

/**
 * The instruction sets that kernels are compiled for. `lanes`: f32 values per vector, which is also rows per panel.
 * `intrinsics`: the compiler's header of its instructions, which simd.h includes.
 */
export const isas = {
  scalar: { lanes: 4, intrinsics: undefined },
  avx2: { lanes: 8, intrinsics: 'immintrin.h' },
  avx512: { lanes: 16, intrinsics: 'immintrin.h' },
  neon: { lanes: 4, intrinsics: 'arm_neon.h' },
} as const

export type Isa = keyof typeof isas
