import { afterAll, describe, expect, it } from 'vitest'
import { isolate, type TokenizerContract } from '../../src/tokenizer/contract.ts'
import { splitRules } from '../../src/tokenizer/splitPatterns.ts'
import { compileTokenizer } from '../../src/tokenizer/tokenizer.ts'
import { buildDriver } from './driver.ts'
import { seeded } from './randomText.ts'
import { byteContract, characterContract, unigramContract, wordpieceContract } from './smallContracts.ts'

const built = buildDriver('cc', ['-O2', '-fno-sanitize=all'])
afterAll(() => built.close())

const megabyte = 1_000_000
const bytes = byteContract(seeded(1))
const cutAs = (name: string): TokenizerContract => ({ ...bytes, splits: splitRules.get(name)!.splits.map(isolate) })

const kinds: { readonly [name: string]: TokenizerContract } = {
  bytes,
  'bytes cut as DeepSeek does': cutAs('deepseek-llm'),
  'bytes in compatibility form': { ...bytes, steps: [{ step: 'form', form: 'NFKC' }] },
  'bytes cut by a pattern that looks far ahead': { ...bytes, splits: [isolate('a+b|a'), isolate('\\s+$')] },
  characters: characterContract(seeded(2)),
  'pieces with scores': unigramContract(seeded(4)),
  'pieces with scores and bytes': unigramContract(seeded(5), true),
  'pieces of words': wordpieceContract(seeded(6)),
  'pieces of words of any length': { ...wordpieceContract(seeded(6)), mostWordCharacters: 2 ** 31 - 1 },
}

// In quadratic time a megabyte would take an hour: the test's own limit is the proof.
describe('a megabyte without a place to cut', () => {
  for (const [name, contract] of Object.entries(kinds)) {
    it(`takes moments: ${name}`, () => {
      const driver = built.open(compileTokenizer(contract))
      const random = seeded(3)
      const letters = Array.from({ length: megabyte }, () => 'abcde'[random(5)]).join('')
      const runs = ['a', ' ', '\n', ' \n', 'ab', '漢', '\u0301', '\u00c5', '🦙'].map((text) =>
        text.repeat(megabyte / 16),
      )
      const texts = [letters, ...runs.map((run) => `x${run}x`), runs.join('')]
      for (const ids of driver.encode(texts)) expect(ids.length).toBeGreaterThan(0)
    })
  }

  it('is cut as a walk from each place would cut it', () => {
    const checked = buildDriver()
    const dropped = { pattern: 'a+b|c+$|de*f', behaviour: 'removed', invert: false } as const
    const driver = checked.open(compileTokenizer({ ...bytes, splits: [dropped] }))
    const random = seeded(5)
    const texts = Array.from({ length: 24 }, () =>
      Array.from({ length: 12 }, () => 'abcdef\n'[random(7)]!.repeat(random(3) === 0 ? random(2000) : random(3))).join(
        '',
      ),
    )
    const left = texts.map((text) => text.replaceAll(/a+b|c+(?=\n|$)|de*f/g, ''))
    expect(driver.decode(driver.encode(texts)).map(String)).toEqual(left)
    checked.close()
  })

  it('and a line of ten megabytes is given back', () => {
    const driver = built.open(compileTokenizer(bytes))
    const text = 'The quick brown fox, ab cde 12345. '.repeat((10 * megabyte) / 35)
    expect(String(driver.decode(driver.encode([text]))[0]) === text).toBe(true)
  })
})
