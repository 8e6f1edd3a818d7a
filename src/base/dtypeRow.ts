/**
 * Writes `blocks` blocks of the format's nearest values to `values[from ...]` to `out[to ...]`. Errors count as
 * Σ importance · error²: `importance` has a positive number per value, in order; absent: all count alike. Values are finite.
 * A value or scale beyond what the format holds becomes an infinity. State of its own, so one per thread.
 */
export type Encode = (
  values: Float32Array,
  from: number,
  blocks: number,
  importance: Float32Array | undefined,
  out: Uint8Array,
  to: number,
) => void

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
  readonly c: 'float' | 'double' | 'int32_t' | 'int8_t' | 'uint8_t' | 'uint16_t'
  /**
   * The floating-point scales and offsets of a block: byte offset and type. Empty for plain types. `e8m0` is an exponent:
   * 2^(byte - 128), and 255 is NaN (OCP Microscaling Formats 1.0).
   */
  readonly scales: readonly { readonly at: number; readonly type: 'f16' | 'f32' | 'e8m0' }[]
  /** Distance from 1 to the next value; tolerances are counted in it. 0 for integers. */
  readonly epsilon: number
  /** Writes the exact values of `blocks` blocks that begin at byte `at` to `out[to ...]`. */
  readonly decode: (bytes: DataView, at: number, blocks: number, out: Float64Array, to: number) => void
  /**
   * Makes an encoder; null: values are not converted to this format. `isSearch`: looks for scales with little error, else
   * takes those that the extreme values give, which is several times faster. The same bytes on every machine.
   */
  readonly encoder: ((isSearch: boolean) => Encode) | null
}

/** The row of a format that weights are converted to. */
export interface WeightRow extends DtypeRow {
  readonly encoder: (isSearch: boolean) => Encode
}

/** Writes the block of the values x to `out[to ...]`; errors are weighted by w. */
export type EncodeBlock = (x: Float64Array, w: Float64Array, out: Uint8Array, to: number) => void

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
  readonly encoder: (isSearch: boolean) => EncodeBlock
}

/** The row of a block format that occurs only in GGUF files. */
export function blockRow({
  gguf,
  elements,
  bytes: blockBytes,
  halves,
  epsilon,
  decode,
  encoder,
}: BlockFormat): WeightRow {
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
    encoder(isSearch) {
      const encodeBlock = encoder(isSearch)
      const x = new Float64Array(elements)
      const w = new Float64Array(elements)
      return (values, from, blocks, importance, out, to) => {
        w.fill(1)
        for (let b = 0; b < blocks; b++) {
          copy(values, from + b * elements, x)
          if (importance) copy(importance, b * elements, w)
          encodeBlock(x, w, out, to + b * blockBytes)
        }
      }
    },
  }
}

function copy(source: Float32Array, from: number, into: Float64Array): void {
  for (let i = 0; i < into.length; i++) into[i] = source[from + i]!
}

/** The row of a format whose values stand alone in 16 bits. */
export function wordRow(
  facts: Omit<WeightRow, 'blockElements' | 'blockBytes' | 'c' | 'scales' | 'decode' | 'encoder'>,
  toValue: (bits: number) => number,
  toBits: (value: number) => number,
): WeightRow {
  return {
    ...facts,
    blockElements: 1,
    blockBytes: 2,
    c: 'uint16_t',
    scales: [],
    decode(bytes, at, blocks, out, to) {
      for (let i = 0; i < blocks; i++) out[to + i] = toValue(bytes.getUint16(at + 2 * i, true))
    },
    encoder: () => (values, from, blocks, _importance, out, to) => {
      for (let i = 0; i < blocks; i++) {
        const bits = toBits(values[from + i]!)
        out[to + 2 * i] = bits
        out[to + 2 * i + 1] = bits >> 8
      }
    },
  }
}
