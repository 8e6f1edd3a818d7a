import { type Dtype, dtypes } from '../base/dtypes.ts'
import type { Layout } from './kernel.ts'

/** The layouts of caches. */
export type CacheLayout = Extract<Layout, 'keyPanels' | 'valuePanels'>

export function isCacheLayout(layout: Layout | undefined): layout is CacheLayout {
  return layout === 'keyPanels' || layout === 'valuePanels'
}

/**
 * Calls `move(dense byte, placed byte, bytes)` for every piece of a cache [rows, positions, width]: where it lies row-major
 * in the dtype's checkpoint format, and where in the layout (Layout in kernel.ts) for `lanes`. positions is a multiple of
 * the lanes. Of the block formats only those that are a binary16 scale and then a byte per code: q8_0.
 */
export function eachCached(
  layout: CacheLayout,
  dtype: Dtype,
  lanes: number,
  [rows, positions, width]: readonly [number, number, number],
  move: (dense: number, placed: number, bytes: number) => void,
): void {
  const { blockElements, blockBytes } = dtypes[dtype]
  const scaleBytes = blockElements > 1 ? 2 : 0
  const codeBytes = (blockBytes - scaleBytes) / blockElements
  const blocks = width / blockElements
  const panelBytes = lanes * blocks * blockBytes
  for (let at = 0; at < rows * positions; at++) {
    const lane = at % lanes
    const panel = ((at - lane) / lanes) * panelBytes
    const codes = panel + lanes * blocks * scaleBytes
    for (let block = 0; block < blocks; block++) {
      const dense = (at * blocks + block) * blockBytes
      if (scaleBytes > 0) move(dense, panel + (block * lanes + lane) * scaleBytes, scaleBytes)
      for (let i = 0; i < blockElements; i++) {
        const col = block * blockElements + i
        const place = layout === 'keyPanels' ? col * lanes + lane : lane * width + col
        move(dense + scaleBytes + i * codeBytes, codes + place * codeBytes, codeBytes)
      }
    }
  }
}
