import type { WeightDtype } from '../base/dtypes.ts'
import type { GgufValueType } from './ggufTypes.ts'

/** A tensor of a checkpoint: where its bytes lie. Shapes are row-major, outermost first (GGUF's own order is reversed). */
export interface TensorRecord {
  readonly name: string
  readonly dtype: WeightDtype
  readonly shape: readonly number[]
  readonly file: string
  /** Byte offset in `file`. */
  readonly offset: number
  readonly bytes: number
}

/** A GGUF metadata value. 64-bit integers beyond 2^53 are bigint. Large arrays stay typed where GGUF's are. */
export type MetadataValue =
  | number
  | bigint
  | boolean
  | string
  | readonly MetadataValue[]
  | Float32Array
  | Float64Array
  | Int32Array
  | Uint32Array
  | Uint8Array
  | Int8Array
  | Int16Array
  | Uint16Array

/** How a GGUF file stores a metadata value; `items`: of an array, and of the arrays in it, from the outside in. */
export interface MetadataType {
  readonly type: GgufValueType
  readonly items: readonly GgufValueType[]
}

/** A parsed JSON value. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

/**
 * What a checkpoint says about itself, by source. `tokenizer` is the parsed tokenizer.json, absent where there is none;
 * `sentencePiece` the bytes of tokenizer.model where that stands alone.
 */
export type CheckpointDescription =
  | {
      readonly format: 'gguf'
      readonly metadata: ReadonlyMap<string, MetadataValue>
      readonly types: ReadonlyMap<string, MetadataType>
    }
  | {
      readonly format: 'transformers'
      readonly config: { readonly [key: string]: Json }
      readonly tokenizer?: Json
      readonly sentencePiece?: Uint8Array
      readonly tokenizerConfig?: Json
      readonly generationConfig?: Json
      /** 1_Pooling/config.json of sentence-transformers. */
      readonly pooling?: { readonly [key: string]: Json }
      /** The text of chat_template.jinja. */
      readonly chatTemplate?: string
    }

/** An open checkpoint. Tensor bytes are read on demand; nothing is held but the tables. */
export interface Checkpoint {
  readonly path: string
  readonly description: CheckpointDescription
  /** GGUF `general.architecture`, or the first of config.json's `architectures`. */
  readonly architecture: string
  /** Model name for people: `general.name`, or the folder's name. */
  readonly name: string
  readonly tensors: ReadonlyMap<string, TensorRecord>
  /** Reads `bytes` of a tensor from byte `from` of its data into `into` (default: a new array). */
  read(tensor: TensorRecord, from?: number, bytes?: number, into?: Uint8Array): Uint8Array
  /** Identifies the content, for caches: changes whenever a tensor or a key could have. Hex. */
  fingerprint(): string
  close(): void
}
