import type { ConfigReader } from './configReader.ts'

/** The row of the embedding that transformers does not train; a number below 0 counts from the end, as in PyTorch. */
export function paddingRow(read: ConfigReader, vocabulary: number): { readonly padding?: number } {
  if (!read.has('pad_token_id')) return {}
  const id = read.number('pad_token_id')
  const padding = id < 0 ? vocabulary + id : id
  return Number.isInteger(padding) && padding >= 0 && padding < vocabulary ? { padding } : {}
}
