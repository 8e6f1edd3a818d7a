import type { Json } from '../formats/checkpoint.ts'
import type { GgufValue } from '../formats/ggufValue.ts'
import type { GraphBuilder } from '../ir/build.ts'
import type { Operand } from '../ir/op.ts'
import type { ConfigReader } from './configReader.ts'
import type { FreshRules } from './fresh.ts'
import type { Transform } from './transforms.ts'

/** One weight of a family: our name and that of each source, and the shape that its config asks for. */
export interface WeightSpec {
  readonly name: string
  readonly gguf: string
  readonly transformers: string
  readonly shape: readonly number[]
  /** Computed in f32, whatever it is stored in. */
  readonly isExact?: true
  /** It is some rows of a larger tensor, of `of` rows from row `from` on, in every source. Absent: all of its own. */
  readonly part?: { readonly from: number; readonly of: number }
  /** How the tensor of a transformers folder becomes ours; absent: it is ours. */
  readonly transform?: Transform
  /** Values computed from the config, for a weight that this source does not store. */
  readonly values?: readonly number[]
  /** No file stores it, whatever its format. */
  readonly isDerived?: true
}

/** Where a checkpoint comes from; names and some conventions differ. */
export type SourceFormat = 'gguf' | 'transformers'

/** A model of a family as a GGUF file has it. */
export interface GgufForm {
  /** The keys of `general.architecture`'s own name space. */
  readonly metadata: Readonly<Record<string, GgufValue>>
  /** The row of transformers' tensor that is row `row` of GGUF's. */
  rowOf(weight: string, row: number): number
  /** The same for columns of matrices; absent: all stay where they are. */
  colOf?(weight: string, col: number): number
  /** What the rows of our weight are multiplied by, where GGUF has no key for a constant of the config; absent: nothing. */
  factorsOf?(weight: string): ((row: number) => number) | undefined
}

/** The values of a vector that the checkpoint stores, by our name of it. */
export type StoredVector = (weight: string) => readonly number[]

/** A model of a family as a transformers folder has it. */
export interface TransformersForm {
  /** config.json. */
  readonly config: { readonly [key: string]: Json }
  /** 1_Pooling/config.json of an encoder. */
  readonly pooling?: { readonly [key: string]: Json }
  /** The row of our weight that is row `row` of transformers'; a vector's entries are its rows. */
  rowOf(weight: string, row: number): number
  /** The same for columns of matrices; absent: all stay where they are. */
  colOf?(weight: string, col: number): number
}

/** The stitching contract of a family: which ops in which order on which weights. No kernel, offset or dtype decision. */
export interface Template<C = unknown> {
  readonly name: string
  /** `general.architecture` values. */
  readonly gguf: readonly string[]
  /** `architectures` values of config.json. */
  readonly transformers: readonly string[]
  /** What cuts the text of the published checkpoints; for documents only, for a checkpoint brings its own. */
  readonly tokenizer?: string
  /** One reader per source, one config type. */
  readonly config: { readonly [F in SourceFormat]: (read: ConfigReader) => C }
  weights(config: C): readonly WeightSpec[]
  /** Tensors that exporters add and no computation reads. */
  readonly ignored: readonly RegExp[]
  /** More of them, as the config says. */
  ignoredBy?(config: C): readonly RegExp[]
  /** Builds the graph; `w` gives a weight by our name. */
  graph(g: GraphBuilder, config: C, w: (name: string) => Operand): void
  /** How a GGUF file says the same as this config, which came from any source. */
  toGguf(config: C): GgufForm
  /**
   * How a transformers folder says it. What it has no place for is left out; `transformersModel` finds that and refuses. `stored`
   * is asked for divisors of frequencies that only the file has.
   */
  toTransformers(config: C, stored: StoredVector): TransformersForm
  /** How one begins that was never trained; absent: none is made. */
  readonly fresh?: FreshRules<C>
  /** Sizes that the rest of the compiler needs. */
  sizes(config: C): ModelSizes
}

export interface ModelSizes {
  readonly vocabulary: number
  /** Tokens that the checkpoint was made for. */
  readonly context: number
  readonly layers: number
  /** A model that is built for at most so many tokens turns otherwise than one for more; absent: all turn alike. */
  readonly short?: number
  /** Width of what an encoder gives for a text; absent: the model continues text. */
  readonly embedding?: number
}

/** Defines a template. */
export function defineTemplate<C>(template: Template<C>): Template<C> {
  return template
}
