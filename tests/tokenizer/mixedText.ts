import { readFileSync } from 'node:fs'
import { type Random, seeded } from './randomText.ts'

interface Pools {
  readonly words: readonly string[]
  readonly lines: readonly string[]
  readonly runs: readonly string[]
  readonly ranges: readonly (readonly [number, number])[]
}

const pools = JSON.parse(readFileSync(new URL('mixedPools.json', import.meta.url), 'utf8')) as Pools

/** Which mixed text: `count` documents of `pieces` pieces each; `longest`: repetitions of one text in a run. */
export interface MixedText {
  readonly seed: number
  readonly count: number
  readonly pieces: number
  readonly longest: number
}

/**
 * Documents of words, lines of code and of many languages, runs of one text, and runs of one range of characters.
 * oracles/mixed_text.py makes the same from the same seed.
 */
export function mixedDocuments({ seed, count, pieces, longest }: MixedText): string[] {
  const random = seeded(seed)
  return Array.from({ length: count }, () => Array.from({ length: pieces }, () => mixedPiece(random, longest)).join(''))
}

function mixedPiece(random: Random, longest: number): string {
  const pick = <T>(list: readonly T[]): T => list[random(list.length)]!
  const kind = random(16)
  if (kind < 7) return `${pick(pools.words)} `
  if (kind < 9) return pick(pools.lines)
  if (kind === 9 && random(40) === 0) return pick(pools.runs).repeat(1 + random(longest))
  const [first, last] = pick(pools.ranges)
  return Array.from({ length: 1 + random(6) }, () => String.fromCodePoint(first + random(last - first + 1))).join('')
}
