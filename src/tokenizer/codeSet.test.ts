import { expect, it } from 'vitest'
import { complement, contains, emptySet, lastCodePoint, unite } from './codeSet.ts'
import { ignoringCase, matching } from './unicodeSets.ts'

it('unites overlapping and touching ranges', () => {
  expect(unite([5, 9], [0, 1], [2, 3], [7, 12])).toEqual([0, 3, 5, 12])
  expect(unite()).toEqual(emptySet)
})

it('complements to all of Unicode and back', () => {
  const set = [0, 3, 10, 10, 0x10fff0, lastCodePoint]
  expect(complement(emptySet)).toEqual([0, lastCodePoint])
  expect(complement(set)).toEqual([4, 9, 11, 0x10ffef])
  expect(complement(complement(set))).toEqual(set)
})

it('contains the code points of its ranges and no others', () => {
  const set = [3, 5, 8, 8]
  expect([2, 3, 4, 5, 6, 7, 8, 9].filter((code) => contains(set, code))).toEqual([3, 4, 5, 8])
})

it('finds the code points of a class in every plane', () => {
  const letters = matching('\\p{L}')
  expect(['A', 'é', '漢', '𐐀', '𪛟'].map((text) => contains(letters, text.codePointAt(0)!))).toEqual(
    Array(5).fill(true),
  )
  expect(['1', ' ', '🦙', '\u0301'].some((text) => contains(letters, text.codePointAt(0)!))).toBe(false)
  expect(ignoringCase([0x61, 0x62])).toEqual([0x41, 0x42, 0x61, 0x62])
})

it.each(['L', 'M', 'Nd', 'Cn', 'Co', 'Cf', 'White_Space', 'Noncharacter_Code_Point'])(
  'finds for \\p{%s} what each code point by itself has',
  (property) => {
    const source = `\\p{${property}}`
    const pattern = new RegExp(source, 'u')
    const found = matching(source)
    const unlike: number[] = []
    for (let code = 0; code <= lastCodePoint; code++) {
      if (code >= 0xd800 && code < 0xe000) continue
      if (pattern.test(String.fromCodePoint(code)) !== contains(found, code)) unlike.push(code)
    }
    expect(unlike).toEqual([])
  },
)
