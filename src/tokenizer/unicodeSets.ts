import { type CodeSet, emptySet, unite } from './codeSet.ts'

/** What was resolved in this process: a scan reads all characters there are. */
const known = new Map<string, CodeSet>()

/**
 * The code points of which one of the properties in `source` (as `\p{L}`, or `[\p{L}\p{N}]`) holds, by this JavaScript
 * engine's own Unicode tables.
 */
export function matching(source: string): CodeSet {
  const found = known.get(source)
  if (found) return found
  const set = unite(...runsOf(source), ...blanksOf(source))
  known.set(source, set)
  return set
}

/** `set` with every code point that differs from a member only in case. */
export function ignoringCase(set: CodeSet): CodeSet {
  const cased = matching('\\p{Changes_When_Casemapped}')
  const source: string[] = []
  for (let i = 0; i < set.length; i += 2) source.push(`\\u{${hex(set[i]!)}}-\\u{${hex(set[i + 1]!)}}`)
  if (source.length === 0) return emptySet
  const pattern = new RegExp(`[${source.join('')}]`, 'iu')
  const more: CodeSet[] = [set]
  for (let i = 0; i < cased.length; i += 2) {
    for (let code = cased[i]!; code <= cased[i + 1]!; code++) {
      if (pattern.test(String.fromCodePoint(code))) more.push([code, code])
    }
  }
  return unite(...more)
}

const hex = (code: number) => code.toString(16)

/** Where the class matches in the planes that have characters, as ranges. */
function runsOf(source: string): CodeSet[] {
  const runs = new RegExp(`(?:${source})+`, 'gu')
  return charactersInChunks().flatMap(({ first, text }) =>
    Array.from(text.matchAll(runs), (match) => {
      const units = first > 0xffff ? 2 : 1
      const start = first + match.index / units
      return [start, start + match[0].length / units - 1]
    }),
  )
}

/** Planes without characters, and those of private use: alike throughout, but for two noncharacters at the end of each. */
const blankPlanes = [4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15, 16]

function blanksOf(source: string): CodeSet[] {
  const pattern = new RegExp(source, 'u')
  return blankPlanes
    .flatMap((plane) => [
      [plane * 0x10000, plane * 0x10000 + 0xfffd],
      [plane * 0x10000 + 0xfffe, plane * 0x10000 + 0xffff],
    ])
    .filter(([first]) => pattern.test(String.fromCodePoint(first!)))
}

interface Chunk {
  readonly first: number
  readonly text: string
}
let chunks: readonly Chunk[] | undefined

/** The other planes but for the surrogates, which UTF-8 cannot hold, in chunks small enough for a greedy match. */
function charactersInChunks(): readonly Chunk[] {
  chunks ??= Array.from({ length: 0x110000 / 0x800 }, (_, at) => at * 0x800)
    .filter((first) => !blankPlanes.includes(first >> 16) && (first < 0xd800 || first >= 0xe000))
    .map((first) => ({ first, text: String.fromCodePoint(...Array.from({ length: 0x800 }, (_, i) => first + i)) }))
  return chunks
}
