import { expect, it } from 'vitest'
import type { Dtype } from '../base/dtypes.ts'
import { type CacheLayout, eachCached, type PanelPart, panelParts } from './cacheLayouts.ts'

/** The bytes of a position of a row of panels, by the panel's parts. */
function bytesByParts(parts: readonly PanelPart[], lanes: number, position: number): number[] {
  const lane = position % lanes
  const panelBytes = parts.reduce((sum, { count, bytes }) => sum + count * lanes * bytes, 0)
  let at = ((position - lane) / lanes) * panelBytes
  const found: number[] = []
  for (const { count, bytes } of parts) {
    for (let i = 0; i < count; i++, at += lanes * bytes) {
      for (let byte = 0; byte < bytes; byte++) found.push(at + lane * bytes + byte)
    }
  }
  return found.toSorted((a, b) => a - b)
}

const cases = (['keyPanels', 'valuePanels'] as const).flatMap((layout) =>
  (['f32', 'f16', 'q8_0'] as const).map((dtype): [CacheLayout, Dtype] => [layout, dtype]),
)

it.each(cases)('the parts of %s in %s tell which bytes belong to a position', (layout, dtype) => {
  const [lanes, positions, width] = [8, 24, 64]
  const rowBytes = new Map<number, number[]>()
  const denseBytes = { f32: 256, f16: 128, q8_0: 68 }[dtype as 'f32' | 'f16' | 'q8_0']
  eachCached(layout, dtype, lanes, [1, positions, width], (dense, placed, bytes) => {
    const position = Math.floor(dense / denseBytes)
    const own = rowBytes.get(position) ?? []
    for (let i = 0; i < bytes; i++) own.push(placed + i)
    rowBytes.set(position, own)
  })
  const parts = panelParts(layout, dtype, width)
  for (const [position, bytes] of rowBytes) {
    expect(bytesByParts(parts, lanes, position)).toEqual(bytes.toSorted((a, b) => a - b))
  }
})
