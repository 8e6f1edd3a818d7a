import { describe, expect, it } from 'vitest'
import { type CleanOptions, cleanText } from './cleanText.ts'
import type { Place } from './document.ts'
import { collectFindings } from './findings.ts'
import { foldAscii } from './foldAscii.ts'

const place: Place = { path: 'folder/a.txt', name: 'a.txt', unit: 'byte', at: 100 }
const usual: CleanOptions = { invalid: 'refuse', controls: 'remove', ascii: false }

function clean(found: string | Uint8Array, options: Partial<CleanOptions> = {}) {
  const { report, findings } = collectFindings()
  return { text: cleanText(found, place, { ...usual, ...options }, report), findings: findings() }
}

const bytes = (...parts: readonly (string | number)[]) =>
  Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Buffer.from([part]))))

describe('cleaning', () => {
  it('leaves text as it is, but for a byte order mark', () => {
    const text = 'Grüße\t世界 🎈\r\n\uFFFD'
    expect(clean(bytes('\uFEFF', text))).toEqual({ text, findings: {} })
    expect(clean(text)).toEqual({ text, findings: {} })
  })

  it('refuses what is no UTF-8 with its byte, or repairs it and counts', () => {
    const damaged = bytes('aü\uFFFD', 0xff, 'b', 0xe4, 0xb8)
    expect(() => clean(damaged)).toThrow(/^folder\/a\.txt at byte 106: a byte that is no UTF-8; accepted: .*repair$/)
    expect(() => clean(bytes('a', 0xef, 0xbf, 'b'))).toThrow(/at byte 101:/)
    const { text, findings } = clean(damaged, { invalid: 'repair' })
    expect(text).toBe('aü\uFFFD\uFFFDb\uFFFD')
    expect(findings).toEqual({ invalid: { count: 2, documents: 1, first: ['a.txt at byte 100'] } })
  })

  it('refuses or repairs halves of characters in JSON', () => {
    expect(() => clean('a\ud800')).toThrow(/half of a surrogate pair/)
    expect(clean('a\ud800b🎈', { invalid: 'repair' }).text).toBe('a\uFFFDb🎈')
  })

  it('removes control characters, or keeps and counts them', () => {
    const text = 'a\0b\u001bc\u0085\t\n'
    expect(clean(text)).toEqual({
      text: 'abc\t\n',
      findings: { controls: { count: 3, documents: 1, first: ['a.txt at byte 100'] } },
    })
    const kept = clean(text, { controls: 'keep' })
    expect(kept.text).toBe(text)
    expect(kept.findings.controlsKept?.count).toBe(3)
  })

  it('folds to ASCII where asked', () => {
    const { text, findings } = clean('“Grüße” — naïve ﬁn… 世', { ascii: true })
    expect(text).toBe('"Grusse" -- naive fin... ?')
    expect(findings.folded?.count).toBe(8)
    expect(findings.unfoldable?.count).toBe(1)
  })
})

describe('folding to ASCII', () => {
  it('gives ASCII of every text', () => {
    const all = Array.from({ length: 0x3000 }, (_, i) => String.fromCodePoint(i)).join(' ')
    expect(foldAscii(all).text).toMatch(/^[\0-\x7f]*$/)
    expect(foldAscii('e\u0301 a\u030a\u0301 é').text).toBe('e a e')
  })
})
