import { type CodeSet, complement, contains, unite } from './codeSet.ts'
import { matching } from './unicodeSets.ts'

/** A character's text; undefined: it stays; `padded`: it gets a space on both sides. */
export type MappedCharacter = string | undefined | typeof padded
export const padded = Symbol('padded')

/** One map, on the code points of `set`. */
export interface CharacterRule {
  readonly set: CodeSet
  map(code: number): MappedCharacter
}

const gone = () => ''
const space = () => ' '

/** CJK ideographs as BERT spaces them: the blocks of its tokenization.py, extension E from U+2B920 as published. */
const ideographs: CodeSet = unite(
  [0x3400, 0x4dbf],
  [0x4e00, 0x9fff],
  [0xf900, 0xfaff],
  [0x20000, 0x2a6df],
  [0x2a700, 0x2b73f],
  [0x2b740, 0x2b81f],
  [0x2b920, 0x2ceaf],
  [0x2f800, 0x2fa1f],
)

const without = (set: CodeSet, other: CodeSet) => complement(unite(complement(set), other))

/**
 * Maps of single characters, by name: what Hugging Face's Lowercase, StripAccents (all marks), BertNormalizer (its
 * clean_text, handle_chinese_chars, strip_accents behind NFD) and Nmt do.
 */
export const characterMaps = {
  lowercase: (): CharacterRule => ({
    set: matching('\\p{Changes_When_Lowercased}'),
    map: (code) => String.fromCodePoint(code).toLowerCase(),
  }),
  dropMarks: (): CharacterRule => ({ set: matching('\\p{M}'), map: gone }),
  dropNonspacingMarks: (): CharacterRule => ({ set: matching('\\p{Mn}'), map: gone }),
  cleanText: (): CharacterRule => {
    const white = matching('\\p{White_Space}')
    const dropped = without(unite(matching('[\\p{Cc}\\p{Cf}\\p{Co}]'), [0, 0], [0xfffd, 0xfffd]), [9, 10, 13, 13])
    return { set: unite(white, dropped), map: (code) => (contains(dropped, code) ? '' : ' ') }
  },
  spaceIdeographs: (): CharacterRule => ({ set: ideographs, map: () => padded }),
  nmt: (): CharacterRule => {
    const dropped = unite([1, 8], [0xb, 0xb], [0xe, 0x1f], [0x7f, 0x7f], [0x8f, 0x8f], [0x9f, 0x9f])
    const spaces = unite(
      [9, 10],
      [0xc, 0xd],
      [0x1680, 0x1680],
      [0x200b, 0x200f],
      [0x2028, 0x2029],
      [0x2581, 0x2581],
      [0xfeff, 0xfeff],
      [0xfffd, 0xfffd],
    )
    return { set: unite(dropped, spaces), map: (code) => (contains(dropped, code) ? gone() : space()) }
  },
} as const satisfies Readonly<Record<string, () => CharacterRule>>

export type CharacterMap = keyof typeof characterMaps
