import { type Dtype, dtypes } from '../base/dtypes.ts'
import type { Layout } from './kernel.ts'

/** The layouts of caches. */
export type CacheLayout = Extract<Layout, 'keyPanels' | 'valuePanels'>

export function isCacheLayout(layout: Layout | undefined): layout is CacheLayout {
  return layout === 'keyPanels' || layout === 'valuePanels'
}

/** One of the parts of a panel: `count` runs of the panel's positions, each position `bytes` bytes. */
export interface PanelPart {
  readonly count: number
  readonly bytes: number
}

/** The parts of a panel of a cache with heads of `width` columns, in the order in which they lie. */
export function panelParts(layout: CacheLayout, dtype: Dtype, width: number): readonly PanelPart[] {
  const { scaleBytes, codeBytes, blocks } = blocksOf(dtype, width)
  const codes = layout === 'keyPanels' ? { count: width, bytes: codeBytes } : { count: 1, bytes: width * codeBytes }
  return scaleBytes > 0 ? [{ count: blocks, bytes: scaleBytes }, codes] : [codes]
}

/** Of the block formats only those that are a binary16 scale and then a byte per code: q8_0. */
function blocksOf(dtype: Dtype, width: number): { scaleBytes: number; codeBytes: number; blocks: number } {
  const { blockElements, blockBytes } = dtypes[dtype]
  const scaleBytes = blockElements > 1 ? 2 : 0
  return { scaleBytes, codeBytes: (blockBytes - scaleBytes) / blockElements, blocks: width / blockElements }
}

/**
 * Calls `move(dense byte, placed byte, bytes)` for every piece of a cache [rows, positions, width]: where it lies row-major
 * in the dtype's checkpoint format, and where in the layout (Layout in kernel.ts) for `lanes`. positions is a multiple of
 * the lanes.
 */
export function eachCached(
  layout: CacheLayout,
  dtype: Dtype,
  lanes: number,
  [rows, positions, width]: readonly [number, number, number],
  move: (dense: number, placed: number, bytes: number) => void,
): void {
  const { blockElements, blockBytes } = dtypes[dtype]
  const { scaleBytes, codeBytes, blocks } = blocksOf(dtype, width)
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
