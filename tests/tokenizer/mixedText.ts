import { readFileSync } from 'node:fs'
import { type Random, seeded } from './randomText.ts'

interface Pools {
  readonly words: readonly string[]
  readonly lines: readonly string[]
  readonly runs: readonly string[]
  readonly ranges: readonly (readonly [number, number])[]
}

const pools = JSON.parse(readFileSync(new URL('mixedPools.json', import.meta.url), 'utf8')) as Pools

/**
 * `count` documents of `pieces` pieces each: words, lines of code and of many languages, long runs of one text, and runs of
 * one range of characters. oracles/mixed_text.py makes the same from the same seed.
 */
export function mixedDocuments(seed: number, count: number, pieces: number): string[] {
  const random = seeded(seed)
  return Array.from({ length: count }, () => Array.from({ length: pieces }, () => mixedPiece(random)).join(''))
}

function mixedPiece(random: Random): string {
  const pick = <T>(list: readonly T[]): T => list[random(list.length)]!
  const kind = random(16)
  if (kind < 7) return `${pick(pools.words)} `
  if (kind < 9) return pick(pools.lines)
  if (kind === 9 && random(40) === 0) return pick(pools.runs).repeat(50 + random(3000))
  const [first, last] = pick(pools.ranges)
  return Array.from({ length: 1 + random(6) }, () => String.fromCodePoint(first + random(last - first + 1))).join('')
}
