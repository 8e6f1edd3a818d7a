import type { Batch, EvalMode } from './library.ts'

/** Ids of one sequence in a batch; the last `rows` of them have logits. */
export interface BatchPart {
  readonly sequence: number
  readonly ids: Int32Array
  readonly rows: number
}

interface PlacedRow {
  readonly part: number
  /** Among the rows of its part. */
  readonly row: number
}

/**
 * The parts as one batch, and whose each of its logits rows is. `decode`: one id of each part in turn, so that a step takes
 * one of each; `prefill`: part by part.
 */
export function batchOf(parts: readonly BatchPart[], mode: EvalMode): { batch: Batch; rows: readonly PlacedRow[] } {
  const longest = Math.max(0, ...parts.map(({ ids }) => ids.length))
  const order =
    mode === 'decode'
      ? Array.from({ length: longest }, (_, at) => parts.map((_, part) => ({ part, at }))).flat()
      : parts.flatMap(({ ids }, part) => Array.from(ids, (_, at) => ({ part, at })))
  const tokens = order.filter(({ part, at }) => at < parts[part]!.ids.length)
  const outputs: number[] = []
  const rows: PlacedRow[] = []
  tokens.forEach(({ part, at }, token) => {
    const { ids, rows: wanted } = parts[part]!
    const row = at - (ids.length - wanted)
    if (row < 0) return
    outputs.push(token)
    rows.push({ part, row })
  })
  const batch = {
    ids: Int32Array.from(tokens, ({ part, at }) => parts[part]!.ids[at]!),
    sequences: Int32Array.from(tokens, ({ part }) => parts[part]!.sequence),
    outputs: BigInt64Array.from(outputs, BigInt),
  }
  return { batch, rows }
}

/** The logits of each part, [rows, vocabulary]. */
export function rowsByPart(
  parts: readonly BatchPart[],
  rows: readonly PlacedRow[],
  logits: Float32Array,
  vocabulary: number,
): readonly Float32Array[] {
  const all = parts.map((part) => new Float32Array(part.rows * vocabulary))
  rows.forEach(({ part, row }, i) => {
    all[part]!.set(logits.subarray(i * vocabulary, (i + 1) * vocabulary), row * vocabulary)
  })
  return all
}
