import { type CodeSet, emptySet, unite } from './codeSet.ts'

/** Resolves classes of a pattern by this JavaScript engine's own Unicode tables. */
export interface UnicodeSets {
  /** The code points that the class `source` (as `\p{L}`) matches. */
  matching(source: string): CodeSet
  /** `set` with every code point that differs from a member only in case. */
  ignoringCase(set: CodeSet): CodeSet
}

/** A resolver; it remembers what it resolved, since a scan reads all of Unicode. */
export function unicodeSets(): UnicodeSets {
  const known = new Map<string, CodeSet>()
  const chunks = allCodePoints()
  const matching = (source: string): CodeSet => {
    const found = known.get(source)
    if (found) return found
    const pattern = new RegExp(source, 'gu')
    const runs = new RegExp(`(?:${pattern.source})+`, 'gu')
    const ranges: CodeSet[] = []
    for (const { first, text } of chunks) {
      const units = first > 0xffff ? 2 : 1
      for (const match of text.matchAll(runs)) {
        const start = first + match.index / units
        ranges.push([start, start + match[0].length / units - 1])
      }
    }
    const set = unite(...ranges)
    known.set(source, set)
    return set
  }
  return {
    matching,
    ignoringCase(set) {
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
    },
  }
}

const hex = (code: number) => code.toString(16)

/** Unicode but for the surrogates, which UTF-8 cannot hold, in chunks small enough for a greedy match. */
function allCodePoints(): { first: number; text: string }[] {
  const chunks: { first: number; text: string }[] = []
  for (let first = 0; first <= 0x10ffff; first += 0x800) {
    if (first >= 0xd800 && first < 0xe000) continue
    const codes = Array.from({ length: 0x800 }, (_, i) => first + i)
    chunks.push({ first, text: String.fromCodePoint(...codes) })
  }
  return chunks
}
