import type { Column } from './program.ts'

/** A run of `count` rounds of `period` calls from call `start` on. */
export interface Run {
  readonly start: number
  readonly period: number
  readonly count: number
}

/** The run that covers the most steps; of equal ones the shortest period, then the earliest. */
export function longestRun(signatures: readonly string[]): Run | undefined {
  let best: Run | undefined
  for (let period = 1; 2 * period <= signatures.length; period++) {
    let start = 0
    for (let i = 0; i <= signatures.length - period; i++) {
      if (i < signatures.length - period && signatures[i] === signatures[i + period]) continue
      const count = Math.floor((i - start) / period) + 1
      if (count > 1 && count * period > (best ? best.count * best.period : 0)) best = { start, period, count }
      start = i + 1
    }
  }
  return best
}

/** `blk.0.attn_q`, `blk.1.attn_q` → `blk.*.attn_q`; the first name where they do not differ in numbers only. */
export function commonName(names: readonly string[]): string {
  const parts = names.map((name) => name.split('.'))
  const first = parts[0]!
  const pattern = first.map((part, i) => (parts.every((other) => other[i] === part) ? part : '*'))
  const isPattern =
    parts.every((other) => other.length === first.length) &&
    pattern.every((part, i) => part !== '*' || parts.every((other) => /^\d+$/.test(other[i]!)))
  return isPattern ? pattern.join('.') : names[0]!
}

/** A field name for C: the part of the name that is not a number, made unique. */
export function columnName(entries: readonly string[], columns: readonly Column[]): string {
  const words = commonName(entries)
    .split(/[^A-Za-z0-9_]+/)
    .filter((word) => !/^(\d+|blk|)$/.test(word))
  const name = words.join('_').replace(/_weight(?=_|$)/g, '')
  const taken = (candidate: string) => columns.some((column) => column.name === candidate)
  if (!taken(name)) return name
  let next = 2
  while (taken(`${name}_${next}`)) next++
  return `${name}_${next}`
}
