/** What is known of an element or block format. */
export interface DtypeRow {
  /** Elements per block: 1 for plain types. Rows are a whole number of blocks. */
  readonly blockElements: number
  readonly blockBytes: number
  /** `ggml_type` number in a GGUF tensor record; null: never in a GGUF file. */
  readonly gguf: number | null
  /** `dtype` in a safetensors header; null: never in a safetensors file. */
  readonly safetensors: string | null
  /** C type that a kernel sees: block formats are bytes. */
  readonly c: 'float' | 'int32_t' | 'int8_t' | 'uint8_t' | 'uint16_t'
  /**
   * The floating-point scales and offsets of a block: byte offset and type. Empty for plain types. `e8m0` is an exponent:
   * 2^(byte - 128), and 255 is NaN (OCP Microscaling Formats 1.0).
   */
  readonly scales: readonly { readonly at: number; readonly type: 'f16' | 'f32' | 'e8m0' }[]
  /** Distance from 1 to the next value; tolerances are counted in it. 0 for integers. */
  readonly epsilon: number
  /** Writes the exact values of `blocks` blocks that begin at byte `at` to `out[to ...]`. */
  readonly decode: (bytes: DataView, at: number, blocks: number, out: Float64Array, to: number) => void
}

/** The facts that differ between two block formats of GGUF files. */
export interface BlockFormat {
  readonly gguf: number
  readonly elements: number
  readonly bytes: number
  /** Byte offsets of binary16 scales; a format without has one `e8m0` scale at byte 0. */
  readonly halves: readonly number[]
  readonly epsilon: number
  /** Writes the values of the block at byte `at` to `out[to ...]`. */
  readonly decode: (bytes: DataView, at: number, out: Float64Array, to: number) => void
}

/** The row of a block format that occurs only in GGUF files. */
export function blockRow({ gguf, elements, bytes: blockBytes, halves, epsilon, decode }: BlockFormat): DtypeRow {
  return {
    blockElements: elements,
    blockBytes,
    gguf,
    safetensors: null,
    c: 'uint8_t',
    scales: halves.length ? halves.map((at) => ({ at, type: 'f16' })) : [{ at: 0, type: 'e8m0' }],
    epsilon,
    decode(bytes, at, blocks, out, to) {
      for (let b = 0; b < blocks; b++) decode(bytes, at + blockBytes * b, out, to + elements * b)
    },
  }
}
