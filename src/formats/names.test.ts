import { describe, expect, it } from 'vitest'
import { checkName, printable } from './names.ts'

describe('printable', () => {
  it('keeps text of any language, and spells what steers a terminal or a reader', () => {
    expect(printable('größe 😀 ▁the')).toBe('größe 😀 ▁the')
    expect(printable('a\u001b[2J\n\u2028\u202e\ud800')).toBe('a\\u{1b}[2J\\u{a}\\u{2028}\\u{202e}\\u{d800}')
  })

  it('cuts long text, also in the middle of a character', () => {
    expect(printable('abcdef', 3)).toBe('abc…')
    expect(printable('ab😀', 3)).toBe('ab\\u{d83d}…')
  })
})

describe('checkName', () => {
  it('takes names of 1 to 1,024 bytes', () => {
    for (const name of ['a', 'blk.3.attn_norm.weight', 'é'.repeat(512)]) checkName('m', 'a tensor', name)
  })

  it.each(['', 'é'.repeat(513), 'a\nb', 'a\0'])('refuses %j', (name) => {
    expect(() => checkName('m', 'a tensor', name)).toThrow(/^m: a tensor has a name of \d+ bytes, '/)
  })
})
