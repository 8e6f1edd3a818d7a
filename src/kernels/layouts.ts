import { bfloat16ToNumber, bytesOf, halfToNumber, type WeightDtype } from '../base/dtypes.ts'

/**
 * Execution layouts of weights: `lanes` rows of a matrix become one panel, in which a vector register holds the same
 * column (or the same four columns) of all rows. Values are kept bit for bit. Panels are whole multiples of 64 bytes.
 * - f32, f16, bf16: [cols][lanes].
 * - q8_0: f16 scales [cols / 32][lanes], zeros up to a multiple of 64 bytes, then codes + 128 as bytes
 *   [cols / 32][8 groups][lanes][4]: group g holds columns 4g .. 4g + 3 of the block.
 * - q4_0: scales likewise, then bytes [cols / 32][4][lanes][4]: low nibbles are group g, high nibbles group g + 4.
 */
interface PanelLayout {
  /** Bytes per column or block of columns of all lanes; the scales of block formats come apart. */
  readonly bytes: (lanes: number, cols: number) => number
  readonly pack: (lanes: number, cols: number, source: Uint8Array, rows: number, panel: Uint8Array) => void
  readonly unpack: (lanes: number, cols: number, panel: Uint8Array) => Float64Array[]
}

const roundUp = (value: number, multiple: number) => Math.ceil(value / multiple) * multiple

/** `source`, or a copy of it where its address is not a multiple of `bytes`. */
function aligned(source: Uint8Array, bytes: number): Uint8Array {
  return source.byteOffset % bytes === 0 ? source : source.slice()
}

function transpose<T extends Uint16Array | Uint32Array>(source: T, rows: number, cols: number, out: T, lanes: number) {
  for (let row = 0; row < rows; row++) {
    for (let col = 0, from = row * cols, to = row; col < cols; col++, from++, to += lanes) out[to] = source[from]!
  }
}

function words16(bytes: Uint8Array): Uint16Array {
  return new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >> 1)
}

function words32(bytes: Uint8Array): Uint32Array {
  return new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >> 2)
}

function plain(elementBytes: 2 | 4, decode: (panel: Uint8Array, index: number) => number): PanelLayout {
  return {
    bytes: (lanes, cols) => roundUp(lanes * cols * elementBytes, 64),
    pack(lanes, cols, source, rows, panel) {
      panel.fill(0, rows === lanes ? lanes * cols * elementBytes : 0)
      const from = aligned(source, elementBytes)
      if (elementBytes === 4) transpose(words32(from), rows, cols, words32(panel), lanes)
      else transpose(words16(from), rows, cols, words16(panel), lanes)
    },
    unpack: (lanes, cols, panel) =>
      Array.from({ length: lanes }, (_, row) =>
        Float64Array.from({ length: cols }, (_, col) => decode(panel, col * lanes + row)),
      ),
  }
}

function blocks(
  words: 4 | 8,
  zeroWord: number,
  flip: number,
  decode: (word: number, at: number) => number,
): PanelLayout {
  const scaleBytes = (lanes: number, cols: number) => roundUp((cols / 32) * lanes * 2, 64)
  return {
    bytes: (lanes, cols) => roundUp(scaleBytes(lanes, cols) + (cols / 32) * lanes * words * 4, 64),
    pack(lanes, cols, source, rows, panel) {
      const count = cols / 32
      const from = words16(aligned(source, 2))
      const scales = words16(panel)
      const codes = words32(panel.subarray(scaleBytes(lanes, cols)))
      scales.fill(0, rows === lanes ? count * lanes : 0, scaleBytes(lanes, cols) / 2)
      codes.fill(zeroWord, rows === lanes ? count * words * lanes : 0)
      const blockHalves = 1 + 2 * words
      for (let block = 0; block < count; block++) {
        for (let row = 0; row < rows; row++) {
          let at = (row * count + block) * blockHalves
          scales[block * lanes + row] = from[at++]!
          const end = at + 2 * words
          for (let to = block * words * lanes + row; at < end; at += 2, to += lanes)
            codes[to] = (from[at]! | (from[at + 1]! << 16)) ^ flip
        }
      }
    },
    unpack(lanes, cols, panel) {
      const scales = words16(panel)
      const codes = words32(panel.subarray(scaleBytes(lanes, cols)))
      return Array.from({ length: lanes }, (_, row) =>
        Float64Array.from({ length: cols }, (_, col) => {
          const block = Math.floor(col / 32)
          const group = (col % 32) >> 2
          const word = codes[(block * words + (group % words)) * lanes + row]!
          return halfToNumber(scales[block * lanes + row]!) * decode(word, col % 32)
        }),
      )
    },
  }
}

const floatAt = (panel: Uint8Array, index: number) =>
  new DataView(panel.buffer, panel.byteOffset, panel.byteLength).getFloat32(4 * index, true)

const layouts: { readonly [D in WeightDtype]: PanelLayout } = {
  f32: plain(4, floatAt),
  f16: plain(2, (panel, index) => halfToNumber(words16(panel)[index]!)),
  bf16: plain(2, (panel, index) => bfloat16ToNumber(words16(panel)[index]!)),
  q8_0: blocks(8, 0x80808080, 0x80808080, (word, at) => ((word >>> (8 * (at & 3))) & 255) - 128),
  q4_0: blocks(4, 0x88888888, 0, (word, at) => ((word >>> (8 * (at & 3) + (at & 16 ? 4 : 0))) & 15) - 8),
}

/** Bytes of one panel of `lanes` rows of `cols` values: a multiple of 64. `cols` is a whole number of blocks. */
export function panelBytes(dtype: WeightDtype, lanes: number, cols: number): number {
  return layouts[dtype].bytes(lanes, cols)
}

/** Bytes of a whole matrix [rows, cols] in panels. A panel pair matrix has twice these. */
export function panelsBytes(dtype: WeightDtype, lanes: number, rows: number, cols: number): number {
  return Math.ceil(rows / lanes) * panelBytes(dtype, lanes, cols)
}

/**
 * Writes one panel to `out` at byte `at` from `rows` <= lanes rows in checkpoint format, dense from the first byte of
 * `source`. Missing rows become zeros. The address of `out[at]` must be a multiple of 4.
 */
export function packPanel(
  dtype: WeightDtype,
  lanes: number,
  cols: number,
  source: Uint8Array,
  rows: number,
  out: Uint8Array,
  at: number,
): void {
  const rowBytes = bytesOf(dtype, cols)!
  const panel = out.subarray(at, at + panelBytes(dtype, lanes, cols))
  layouts[dtype].pack(lanes, cols, source.subarray(0, rows * rowBytes), rows, panel)
}

/** The exact values of the panel that begins at byte `at`: `lanes` rows of `cols` values. */
export function unpackPanel(
  dtype: WeightDtype,
  lanes: number,
  cols: number,
  panels: Uint8Array,
  at: number,
): Float64Array[] {
  return layouts[dtype].unpack(lanes, cols, panels.subarray(at, at + panelBytes(dtype, lanes, cols)))
}
