import { describe, expect, it } from 'vitest'
import {
  acceptBit,
  compilePattern,
  matchesEverywhere,
  type SplitAutomaton,
  startState,
} from '../../src/tokenizer/compilePattern.ts'
import { parsePattern } from '../../src/tokenizer/parsePattern.ts'
import { splitRules } from '../../src/tokenizer/splitPatterns.ts'
import { twoStages } from '../../src/tokenizer/splitTables.ts'
import { randomText, seeded } from './randomText.ts'

const compile = (pattern: string) => compilePattern(parsePattern(pattern))

const classesOf = (automaton: SplitAutomaton) => twoStages(automaton.starts, automaton.classOf).valueAt

/** Every match of the automaton in `text`, from left to right. */
function matchesOf(automaton: SplitAutomaton, text: string, valueAt = classesOf(automaton)): string[] {
  const characters = [...text]
  const classes = [...characters.map((character) => valueAt(character.codePointAt(0)!)), automaton.classes]
  const matches: string[] = []
  for (let start = 0; start < characters.length; ) {
    let end = start
    for (let state = startState, at = start; state !== 0 && at < classes.length; at++) {
      const cell = automaton.table[state * (automaton.classes + 1) + classes[at]!]!
      if (cell & acceptBit) end = at
      state = cell & ~acceptBit
    }
    if (end > start) matches.push(characters.slice(start, end).join(''))
    start = Math.max(end, start + 1)
  }
  return matches
}

/** The same pattern for this engine's RegExp, whose \s has U+FEFF and lacks U+0085, whose $ is no end of line, and which may lack (?i:...). */
function asRegExp(pattern: string): RegExp {
  const source = pattern
    .replaceAll("(?i:'s|'t|'re|'ve|'m|'ll|'d)", "(?:'(?:[sSſ]|[tT]|[rR][eE]|[vV][eE]|[mM]|[lL][lL]|[dD]))")
    .replace(/\$(?=\)|$)/, '(?=\\n|$)')
    .replaceAll('\\w', '\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}')
    .replaceAll('\\d', '\\p{Nd}')
    .replaceAll('\\s', '\\p{White_Space}')
    .replaceAll('\\S', '\\P{White_Space}')
  return new RegExp(source, 'gu')
}

const patterns = [
  ...new Set([...splitRules.values()].flatMap((rule) => rule.splits)),
  'a|ab|abc',
  '(?:a|ab)(?:c|bcd)?',
  'a*?b|a+',
  '(?:aa|a)*b?[a-c]',
  'a{2,3}?(?!b)|a',
  '[a-b]+(?=c|$)|[^a]',
  '(?:a?b?)*c',
  '[\\w]+|[^\\w\\s]+|\\d',
]

describe('a compiled split pattern', () => {
  for (const pattern of patterns) {
    it(`matches as RegExp does: ${pattern}`, () => {
      const automaton = compile(pattern)
      const classes = classesOf(automaton)
      const expected = asRegExp(pattern)
      const random = seeded(pattern.length)
      for (let i = 0; i < 60; i++) {
        const narrow = Array.from({ length: random(12) }, () => 'abcd \n'[random(6)]).join('')
        for (const text of [randomText(random, 60), narrow]) {
          expect(matchesOf(automaton, text, classes)).toEqual([...text.matchAll(expected)].map(([match]) => match))
        }
      }
    })
  }

  it('knows whether it leaves nothing between its matches', () => {
    for (const name of ['gpt-2', 'llama3', 'qwen2', 'gpt-4o']) {
      expect(matchesEverywhere(compile(splitRules.get(name)!.splits[0]!))).toBe(true)
    }
    expect(matchesEverywhere(compile('\\p{L}+'))).toBe(false)
  })

  it('takes a point for anything but a line feed', () => {
    expect(matchesOf(compile('.+'), 'a\r\u2028\nb')).toEqual(['a\r\u2028', 'b'])
  })

  it('ignores case only where the pattern says so', () => {
    expect(matchesOf(compile('(?i:ab)c'), 'abc ABc ABC aBc')).toEqual(['abc', 'ABc', 'aBc'])
    expect(matchesOf(compile('(?i:[a-c])+'), 'aBCd')).toEqual(['aBC'])
    expect(matchesOf(compile('(?i:é)'), 'éÉe')).toEqual(['é', 'É'])
  })
})

describe('a split pattern is refused by name', () => {
  const refusals = [
    ['a*', 'empty text'],
    ['(a)\\1', 'back reference'],
    ['(?<=a)b', 'looks back'],
    ['\\bword', 'looks back'],
    ['^a', 'looks back'],
    ['a(?!bc)', 'single character'],
    ['[^\\s]++', 'Nothing to repeat'],
    ['a{30000}', 'longer than'],
    ['(?:a|b)*a(?:a|b){14}', 'states'],
    ['(', 'Unterminated group'],
  ] as const
  for (const [pattern, message] of refusals) {
    it(pattern, () => expect(() => compile(pattern)).toThrow(message))
  }
})
