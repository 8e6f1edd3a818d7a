import {
  type BlockDtype,
  bfloat16ToNumber,
  blockDtypes,
  bytesOf,
  dtypes,
  halfToNumber,
  type WeightDtype,
} from '../base/dtypes.ts'
import { blockLayouts, type SplitBlock } from './blockLayouts.ts'
import { codeAt } from './codePlanes.ts'

/**
 * Execution layouts of weights: `lanes` rows of a matrix become one panel, in which a vector register holds the same
 * column (or the same four columns) of all rows. Values are kept bit for bit. Panels are whole multiples of 64 bytes.
 * - f32, f16, bf16: [cols][lanes].
 * - Block formats: first the scales, a record per stored block: binary16 numbers [halves][lanes], then bytes
 *   [bytes][lanes]; zeros up to a multiple of 64 bytes; then the codes [cols / 32][bits][lanes] as words of four bytes
 *   (codePlanes.ts). What the numbers, bytes and codes stand for is in blockLayouts.ts.
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

function blocks(dtype: BlockDtype): PanelLayout {
  const { bits, halves, bytes, split, number, scale, offset } = blockLayouts[dtype]
  const { blockElements, blockBytes } = dtypes[dtype]
  const blockWords = (bits * blockElements) / 32
  const recordBytes = (lanes: number) => lanes * (2 * halves + bytes)
  const scaleBytes = (lanes: number, cols: number) => roundUp((cols / blockElements) * recordBytes(lanes), 64)
  const empty = (): SplitBlock => ({
    words: new Uint32Array(blockWords),
    halves: new Uint16Array(halves),
    bytes: new Uint8Array(bytes),
  })
  return {
    bytes: (lanes, cols) => roundUp(scaleBytes(lanes, cols) + (cols / 8) * lanes * bits, 64),
    pack(lanes, cols, source, rows, panel) {
      const count = cols / blockElements
      const scales = words16(panel)
      const codes = words32(panel.subarray(scaleBytes(lanes, cols)))
      const block = empty()
      if (rows < lanes) panel.fill(0)
      else panel.fill(0, count * recordBytes(lanes), scaleBytes(lanes, cols))
      for (let row = 0; row < rows; row++) {
        for (let b = 0; b < count; b++) {
          split(source, (row * count + b) * blockBytes, block)
          const record = b * recordBytes(lanes)
          for (let i = 0; i < halves; i++) scales[record / 2 + i * lanes + row] = block.halves[i]!
          for (let i = 0, to = record + 2 * halves * lanes + row; i < bytes; i++, to += lanes)
            panel[to] = block.bytes[i]!
          for (let i = 0, to = b * blockWords * lanes + row; i < blockWords; i++, to += lanes)
            codes[to] = block.words[i]!
        }
      }
    },
    unpack(lanes, cols, panel) {
      const scales = words16(panel)
      const codes = words32(panel.subarray(scaleBytes(lanes, cols)))
      const block = empty()
      return Array.from({ length: lanes }, (_, row) => {
        const values = new Float64Array(cols)
        for (let b = 0; b < cols / blockElements; b++) {
          const record = b * recordBytes(lanes)
          for (let i = 0; i < halves; i++) block.halves[i] = scales[record / 2 + i * lanes + row]!
          for (let i = 0; i < bytes; i++) block.bytes[i] = panel[record + (2 * halves + i) * lanes + row]!
          for (let i = 0; i < blockWords; i++) block.words[i] = codes[(b * blockWords + i) * lanes + row]!
          for (let col = 0; col < blockElements; col++) {
            const first = (col >> 5) * bits
            const product = scale(block, col >> 4) * number(codeAt(bits, (i) => block.words[first + i]!, col & 31))
            values[b * blockElements + col] = offset ? product + offset(block, col >> 4) : product
          }
        }
        return values
      })
    },
  }
}

const floatAt = (panel: Uint8Array, index: number) =>
  new DataView(panel.buffer, panel.byteOffset, panel.byteLength).getFloat32(4 * index, true)

const layouts: { readonly [D in WeightDtype]: PanelLayout } = {
  f32: plain(4, floatAt),
  f16: plain(2, (panel, index) => halfToNumber(words16(panel)[index]!)),
  bf16: plain(2, (panel, index) => bfloat16ToNumber(words16(panel)[index]!)),
  ...(Object.fromEntries(blockDtypes.map((dtype) => [dtype, blocks(dtype)])) as { [D in BlockDtype]: PanelLayout }),
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
 * `source`. Missing rows become zeros, of either sign. The address of `out[at]` must be a multiple of 4.
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
