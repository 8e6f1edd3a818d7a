import type { ConfigReader } from './configReader.ts'

/** The sizes that every family of transformers has. */
export interface Dimensions {
  readonly vocabulary: number
  readonly context: number
  readonly layers: number
  readonly dim: number
  readonly ffn: number
  readonly heads: number
  readonly kvHeads: number
  readonly headDim: number
  readonly eps: number
}

/** No model has wider heads; a rope's list of frequencies is half as long. */
export const widestHead = 65536

/** The width of a head as its key says, else the model's width divided among the heads. */
export function headWidth(read: ConfigReader, key: string, headsKey: string, dim: number, heads: number): number {
  if (!read.has(key) && dim % heads !== 0)
    read.refuse(headsKey, heads, `a divisor of the width ${dim}, or a '${key}' beside it`)
  return read.count(key, dim / heads, widestHead)
}

/** Heads of keys and values, a divisor of those of queries. */
export function sharedHeads(read: ConfigReader, key: string, heads: number, fallback = heads): number {
  const shared = read.count(key, fallback)
  return heads % shared === 0 ? shared : read.refuse(key, shared, `a divisor of the ${heads} attention heads`)
}
