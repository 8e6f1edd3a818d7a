import type { Dtype } from '../base/dtypes.ts'

/**
 * How the elements of a buffer lie in memory.
 * - `rows`: row-major; the first axis may have its own stride.
 * - `panels`: rows interleaved by the lanes of the target, see layouts.ts. Rows are padded with zeros to whole panels.
 * - `panelPairs`: two matrices of equal shape, panel by panel in turn (gate 0, up 0, gate 1, up 1, ...).
 * - `keyPanels`: a cache [sequences, heads, context / lanes, width, lanes]: positions interleaved by the lanes.
 */
export type Layout = 'rows' | 'panels' | 'panelPairs' | 'keyPanels'

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
  /** May be NULL. */
  readonly optional?: true
  /** Room for a call's own work (access `write`): what it holds before and after a call means nothing. */
  readonly scratch?: true
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
  /** Sizes, in the order of the C parameters: int64_t. */
  readonly dims: readonly D[]
  readonly attributes: { readonly [K in A]: AttributeType }
  readonly buffers: { readonly [K in B]: BufferParameter<D> }
  /** Pairs (written, read) that may be the same bytes with the same stride. Others must not overlap. */
  readonly inPlace: readonly (readonly [NoInfer<B>, NoInfer<B>])[]
  /**
   * How the work is divided: `items` are the dims whose product is divided into contiguous ranges, one per part, in
   * row-major order. A buffer in `own` is touched by a part only inside its own items (its leading axes are `items`).
   * Two calls with equal items need no barrier between them for buffers that both own.
   */
  readonly split: { readonly items: readonly NoInfer<D>[]; readonly own: readonly NoInfer<B>[] }
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

/** The instruction sets that kernels are compiled for. `lanes`: f32 values per vector, which is also rows per panel. */
export const isas = {
  scalar: { lanes: 4 },
  avx2: { lanes: 8 },
  avx512: { lanes: 16 },
  neon: { lanes: 4 },
} as const

export type Isa = keyof typeof isas
