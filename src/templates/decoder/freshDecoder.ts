import type { FreshSizes } from '../fresh.ts'
import { plainRope } from '../rope/ropeScaling.ts'
import { type DecoderConfig, plainScales, uncapped, windowPattern } from './decoderConfig.ts'

/** The config of a fresh decoder. `isWindowed` says which layers have the window; default: all. `turned`: share of a head. */
export function freshDecoder(
  { tied, theta, window, ...dimensions }: FreshSizes,
  { isWindowed = () => true, turned = 1 }: { isWindowed?: (layer: number) => boolean; turned?: number } = {},
): DecoderConfig {
  const { headDim, layers } = dimensions
  return {
    ...dimensions,
    tied,
    ropes: [plainRope('split', (headDim * turned) / 2, theta, headDim)],
    pattern: windowPattern(Array.from({ length: layers }, (_, i) => (isWindowed(i) ? window : 0))),
    scales: plainScales(headDim),
    softCaps: uncapped,
    activation: 'silu',
    biases: [],
    fused: [],
  }
}
