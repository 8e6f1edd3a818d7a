import type { GgufValue } from '../../formats/ggufValue.ts'
import type { ConfigReader } from '../configReader.ts'

/** Tokens that each layer reads back, its own among them; 0: all. */
export type LayerWindows = readonly number[]

/** The same for every layer: the value of config.json's `sliding_window`, all tokens where it is null or absent. */
export function everyLayerWindow(read: ConfigReader, layers: number): LayerWindows {
  const window = read.has('sliding_window') ? read.count('sliding_window') : 0
  return Array.from({ length: layers }, () => window)
}

/**
 * config.json's `layer_types` and `sliding_window`; where the types are not said, `isWindowed` of a layer is asked. Refuses a
 * layer with a window where its size is missing.
 */
export function typedWindows(read: ConfigReader, layers: number, isWindowed: (layer: number) => boolean): LayerWindows {
  const types = read.choices('layer_types', layers, ['full_attention', 'sliding_attention'])
  return Array.from({ length: layers }, (_, i) => {
    const isShort = types ? types[i] === 'sliding_attention' : isWindowed(i)
    return isShort ? read.count('sliding_window') : 0
  })
}

/** Qwen's: `use_sliding_window` switches the windows of the layers from `max_window_layers` on. */
export function qwenWindows(read: ConfigReader, layers: number): LayerWindows {
  const isUsed = read.flag('use_sliding_window', false)
  const first = read.number('max_window_layers', 28)
  const windows = typedWindows(read, layers, (i) => isUsed && read.has('sliding_window') && i >= first)
  if (!isUsed && windows.some((window) => window > 0))
    read.refuse('use_sliding_window', false, "true, where 'layer_types' has sliding_attention")
  return windows
}

/**
 * GGUF's `attention.sliding_window`, of the layers that `attention.sliding_window_pattern` names: a list with true for each of
 * them, or a period of which the last layer reads all. `period` is the family's own; absent: all layers have the window. So is
 * the window of files that do not say one, `usual`; 0 is none.
 */
export function windowsFromGguf(read: ConfigReader, layers: number, period?: number, usual = 0): LayerWindows {
  const window = Math.max(0, read.number('attention.sliding_window', usual))
  const key = 'attention.sliding_window_pattern'
  if (window === 0) return Array.from({ length: layers }, () => 0)
  if (read.isList(key)) return read.flags(key, layers)!.map((isShort) => (isShort ? window : 0))
  const every = read.has(key) ? read.count(key) : period
  return Array.from({ length: layers }, (_, i) => (every === undefined || (i + 1) % every !== 0 ? window : 0))
}

/**
 * GGUF's keys for it, behind the family's name; they have place for one size of window. The pattern is left out where it is
 * that of the family's `period`.
 */
export function windowMetadata(windows: LayerWindows, period?: number): Readonly<Record<string, GgufValue>> {
  const window = Math.max(...windows)
  if (window === 0) return {}
  return { 'attention.sliding_window': { type: 'uint32', value: window }, ...patternMetadata(windows, period) }
}

function patternMetadata(windows: LayerWindows, period: number | undefined): Readonly<Record<string, GgufValue>> {
  const flags = windows.map((each) => each > 0)
  const fits = (every: number) => flags.every((flag, i) => flag === ((i + 1) % every !== 0))
  if (period === undefined ? flags.every(Boolean) : fits(period)) return {}
  const every = flags.findIndex((flag) => !flag) + 1
  return {
    'attention.sliding_window_pattern':
      every > 0 && fits(every) ? { type: 'uint32', value: every } : { type: 'array', of: 'bool', value: flags },
  }
}
