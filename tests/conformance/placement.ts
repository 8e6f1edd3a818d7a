import { bytesOf, type WeightDtype } from '../../src/base/dtypes.ts'
import { type CacheLayout, eachCached, isCacheLayout } from '../../src/kernels/cacheLayouts.ts'
import type { BufferParameter, Kernel } from '../../src/kernels/kernel.ts'
import { packPanel, panelBytes, panelsBytes } from '../../src/kernels/layouts.ts'

/** The sizes of one call by the declaration's names. */
export type Dims = { readonly [name: string]: number }

/** Shape in numbers. */
export function shapeOf(buffer: BufferParameter<string>, dims: Dims): number[] {
  return buffer.shape.map((axis) => (typeof axis === 'number' ? axis : dims[axis]!))
}

const product = (values: readonly number[]) => values.reduce((all, value) => all * value, 1)

/** Bytes of the values alone: dense, in the dtype's checkpoint format. */
export function denseBytes(buffer: BufferParameter<string>, dims: Dims): number {
  return bytesOf(buffer.dtype, product(shapeOf(buffer, dims)))!
}

/** Bytes of the buffer as the kernel sees it. The last row of a strided one ends with its last element. */
export function placedBytes(buffer: BufferParameter<string>, dims: Dims, lanes: number): number {
  const shape = shapeOf(buffer, dims)
  if (buffer.layout === 'panels' || buffer.layout === 'panelPairs') {
    const [rows = 0, cols = 0] = shape.slice(-2)
    return product(shape.slice(0, -2)) * panelsBytes(buffer.dtype as WeightDtype, lanes, rows, cols)
  }
  const { row, stride } = rowBytes(buffer, dims)
  return shape[0] === 0 ? 0 : (shape[0]! - 1) * stride + row
}

function rowBytes(buffer: BufferParameter<string>, dims: Dims): { row: number; stride: number } {
  const row = bytesOf(buffer.dtype, product(shapeOf(buffer, dims).slice(1)))!
  return { row, stride: buffer.rowStride ? bytesOf(buffer.dtype, dims[buffer.rowStride]!)! : row }
}

/** Dense values to the kernel's layout. Gaps between strided rows are 0xFF, which is NaN as f32. */
export function place(buffer: BufferParameter<string>, dims: Dims, lanes: number, dense: Uint8Array): Uint8Array {
  const out = new Uint8Array(placedBytes(buffer, dims, lanes)).fill(0xff)
  switch (buffer.layout) {
    case 'panels':
    case 'panelPairs':
      placePanels(buffer, dims, lanes, dense, out)
      break
    case 'keyPanels':
    case 'valuePanels':
      moveCache(buffer, buffer.layout, dims, lanes, (from, to, bytes) =>
        out.set(dense.subarray(from, from + bytes), to),
      )
      break
    default: {
      const { row, stride } = rowBytes(buffer, dims)
      for (let from = 0, to = 0; from < dense.length; from += row, to += stride)
        out.set(dense.subarray(from, from + row), to)
    }
  }
  return out
}

/** The inverse of `place` for layouts that kernels write. Says whether a gap between rows has lost its 0xFF. */
export function collect(
  buffer: BufferParameter<string>,
  dims: Dims,
  lanes: number,
  placed: Uint8Array,
): { dense: Uint8Array; gapWritten: boolean } {
  const dense = new Uint8Array(denseBytes(buffer, dims))
  if (isCacheLayout(buffer.layout)) {
    moveCache(buffer, buffer.layout, dims, lanes, (to, from, bytes) =>
      dense.set(placed.subarray(from, from + bytes), to),
    )
    return { dense, gapWritten: false }
  }
  const { row, stride } = rowBytes(buffer, dims)
  let gapWritten = false
  for (let to = 0, from = 0; to < dense.length; to += row, from += stride) {
    dense.set(placed.subarray(from, from + row), to)
    gapWritten ||= placed.subarray(from + row, from + stride).some((byte) => byte !== 0xff)
  }
  return { dense, gapWritten }
}

function placePanels(buffer: BufferParameter<string>, dims: Dims, lanes: number, dense: Uint8Array, out: Uint8Array) {
  const dtype = buffer.dtype as WeightDtype
  const [rows = 0, cols = 0] = shapeOf(buffer, dims).slice(-2)
  const matrices = buffer.layout === 'panelPairs' ? 2 : 1
  const [row, panel] = [bytesOf(dtype, cols)!, panelBytes(dtype, lanes, cols)]
  for (let matrix = 0; matrix < matrices; matrix++) {
    for (let first = 0; first < rows; first += lanes) {
      const count = Math.min(lanes, rows - first)
      const source = dense.subarray((matrix * rows + first) * row, (matrix * rows + first + count) * row)
      packPanel(dtype, lanes, cols, source, count, out, ((first / lanes) * matrices + matrix) * panel)
    }
  }
}

function moveCache(
  buffer: BufferParameter<string>,
  layout: CacheLayout,
  dims: Dims,
  lanes: number,
  move: (dense: number, placed: number, bytes: number) => void,
) {
  const [sequences = 0, heads = 0, context = 0, width = 0] = shapeOf(buffer, dims)
  eachCached(layout, buffer.dtype, lanes, [sequences * heads, context, width], move)
}

/** Names of the buffers that a kernel writes for others to read. */
export function writtenBuffers(kernel: Kernel): string[] {
  return Object.keys(kernel.buffers).filter((name) => {
    const { access, scratch } = kernel.buffers[name]!
    return access !== 'read' && !scratch
  })
}
