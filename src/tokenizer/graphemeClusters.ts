import { type CodeSet, complement, contains, unite } from './codeSet.ts'
import { compilePattern, type SplitAutomaton } from './compilePattern.ts'
import type { PatternNode } from './parsePattern.ts'
import { matching } from './unicodeSets.ts'

/** Finds extended grapheme clusters, which cover a text without gaps (Unicode Standard Annex 29, table 1c). */
export function graphemeClusters(): SplitAutomaton {
  const { prepend, follows } = probedSets()
  const extend = matching('[\\p{Grapheme_Extend}\\p{Emoji_Modifier}]')
  const pictures = matching('\\p{Extended_Pictographic}')
  const control = unite(matching('[\\p{Zl}\\p{Zp}\\p{Cc}]'), formatControls(follows, prepend))
  const any = complement(control)
  const lead: CodeSet = [0x1100, 0x115f, 0xa960, 0xa97c]
  const vowel: CodeSet = [0x1160, 0x11a7, 0xd7b0, 0xd7c6]
  const tail: CodeSet = [0x11a8, 0x11ff, 0xd7cb, 0xd7fb]
  const open: number[] = []
  const closed: number[] = []
  for (let code = 0xac00; code <= 0xd7a3; code++) ((code - 0xac00) % 28 === 0 ? open : closed).push(code, code)
  const syllable = choice(
    sequence(some(lead), choice(sequence(one(unite(open)), some(vowel)), one(unite(closed)), many(vowel)), some(tail)),
    many(lead),
    many(tail),
  )
  const flags = one(matching('\\p{Regional_Indicator}'))
  const joined = sequence(some(extend), one([0x200d, 0x200d]), one(pictures))
  const core = choice(
    syllable,
    sequence(flags, flags),
    sequence(one(pictures), { kind: 'repeat', body: joined, min: 0, max: Number.POSITIVE_INFINITY, greedy: true }),
    one(any),
  )
  return compilePattern(
    choice(
      sequence(one([13, 13]), one([10, 10])),
      one(control),
      sequence(some(prepend), core, some(follows)),
      one(any),
    ),
  )
}

const one = (set: CodeSet): PatternNode => ({ kind: 'one', set })
const sequence = (...items: PatternNode[]): PatternNode => ({ kind: 'sequence', items })
const choice = (...items: PatternNode[]): PatternNode => ({ kind: 'choice', items })
const repeat = (set: CodeSet, min: number): PatternNode => ({
  kind: 'repeat',
  body: one(set),
  min,
  max: Number.POSITIVE_INFINITY,
  greedy: true,
})
const some = (set: CodeSet) => repeat(set, 0)
const many = (set: CodeSet) => repeat(set, 1)

/**
 * The properties that RegExp has no name for, read off this engine's own segmenter: what stays with a letter before it, and
 * what a letter stays with.
 */
function probedSets(): { prepend: CodeSet; follows: CodeSet } {
  const segmenter = new Intl.Segmenter('en', { granularity: 'grapheme' })
  const isOne = (text: string) => segmenter.segment(text).containing(0)?.segment === text
  const likely = matching('[\\p{M}\\p{Cf}\\p{Lo}\\p{Lm}\\p{Emoji_Modifier}]')
  const prepend: number[] = []
  const follows: number[] = []
  for (let i = 0; i < likely.length; i += 2) {
    for (let code = likely[i]!; code <= likely[i + 1]!; code++) {
      // Ideographs are many and neither.
      if (code >= 0x3400 && code < 0xa000) continue
      if ((code >= 0xac00 && code < 0xd7a4) || (code >= 0x20000 && code < 0xe0000)) continue
      const character = String.fromCodePoint(code)
      if (isOne(`a${character}`)) follows.push(code, code)
      else if (isOne(`${character}a`)) prepend.push(code, code)
    }
  }
  return { prepend: unite(prepend), follows: unite(follows) }
}

/** Format characters that break clusters: those that neither follow nor come before. */
function formatControls(follows: CodeSet, prepend: CodeSet): CodeSet {
  const format = matching('\\p{Cf}')
  const controls: number[] = []
  for (let i = 0; i < format.length; i += 2) {
    for (let code = format[i]!; code <= format[i + 1]!; code++) {
      if (!contains(follows, code) && !contains(prepend, code)) controls.push(code, code)
    }
  }
  return unite(controls)
}
