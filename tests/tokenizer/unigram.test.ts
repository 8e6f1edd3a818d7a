import { afterAll, describe, expect, it } from 'vitest'
import type { TokenizerContract } from '../../src/tokenizer/contract.ts'
import { normalizeText } from '../../src/tokenizer/normalizeText.ts'
import type { NormalStep, UnicodeForm } from '../../src/tokenizer/normalStep.ts'
import { compileTokenizer } from '../../src/tokenizer/tokenizer.ts'
import { buildDriver } from './driver.ts'
import { randomText, seeded } from './randomText.ts'
import { byteContract, smallCharsmap, unigramContract } from './smallContracts.ts'

const built = buildDriver()
afterAll(() => built.close())

/** Every cut of a word, the best by its sum: the definition, in exponential time. */
function bestSum({ pieces, scores, unknownScore }: TokenizerContract, word: string): number {
  const scoreOf = new Map<string, number>()
  pieces.forEach(({ bytes, type }, id) => {
    if (type === 'normal') scoreOf.set(Buffer.from(bytes).toString(), scores![id]!)
  })
  const characters = [...word]
  const sum = (from: number): number => {
    if (from === characters.length) return 0
    let best = Number.NEGATIVE_INFINITY
    for (let end = from + 1; end <= characters.length; end++) {
      const score = scoreOf.get(characters.slice(from, end).join('')) ?? (end === from + 1 ? unknownScore : undefined)
      if (score !== undefined) best = Math.max(best, score + sum(end))
    }
    return best
  }
  return sum(0)
}

describe('Unigram', () => {
  it('finds the cut with the greatest sum of scores', () => {
    const random = seeded(12)
    const contract = { ...unigramContract(random), steps: [], splits: [], fuseUnknown: false, prefix: 'none' } as const
    const driver = built.open(compileTokenizer(contract))
    const letters = ['a', 'b', 'c', 'é', '漢', 'x']
    const words = Array.from({ length: 200 }, () =>
      Array.from({ length: 1 + random(12) }, () => letters[random(letters.length)]).join(''),
    )
    driver.encode(words).forEach((ids, i) => {
      const total = ids.reduce((sum, id) => sum + (id === 0 ? contract.unknownScore : contract.scores![id]!), 0)
      expect(total).toBeCloseTo(bestSum(contract, words[i]!), 9)
    })
  })

  it('writes unknown neighbours as one unknown piece, or as their bytes', () => {
    const plain = { steps: [], splits: [], prefix: 'none' } as const
    const fused = built.open(compileTokenizer({ ...unigramContract(seeded(4)), ...plain }))
    const bytes = built.open(compileTokenizer({ ...unigramContract(seeded(4), true), ...plain }))
    expect(fused.encode(['🦙🦙x'])).toEqual([[0]])
    expect(bytes.encode(['🦙'])).toEqual([[...Buffer.from('🦙')].map((byte) => byte + 3)])
  })
})

describe('a step of normalising', () => {
  const forms: readonly UnicodeForm[] = ['NFC', 'NFD', 'NFKC', 'NFKD']
  const steps: readonly NormalStep[] = [
    ...forms.map((form) => ({ step: 'form', form }) as const),
    { step: 'map', map: 'lowercase' },
    { step: 'map', map: 'dropMarks' },
    { step: 'map', map: 'dropNonspacingMarks' },
    { step: 'map', map: 'cleanText' },
    { step: 'map', map: 'spaceIdeographs' },
    { step: 'map', map: 'nmt' },
    { step: 'replace', pattern: '[a-z]+|\\s$', content: '<>' },
    { step: 'prepend', text: 'é ' },
    { step: 'strip', left: true, right: true },
    { step: 'charsmap', charsmap: smallCharsmap(), clusters: true },
    { step: 'charsmap', charsmap: smallCharsmap(), clusters: false },
    { step: 'squeeze', ends: 'text' },
  ]
  const nameOf = (step: NormalStep) =>
    Object.values(step)
      .filter((value) => typeof value !== 'object')
      .join(' ')
  const { unknown: _, ...bytes } = { ...byteContract(seeded(1)), splits: [], merges: new Uint32Array(0) }
  for (const step of steps) {
    it(`does the same in C: ${nameOf(step)}`, () => {
      const driver = built.open(compileTokenizer({ ...bytes, unknown: -1, steps: [step] }))
      const random = seeded(8)
      const special = [
        'e\u0301',
        '\u304b\u3099',
        '\uff76\uff9e',
        '  ',
        '...',
        'ﬁ',
        '\r\n',
        '🇩🇪🇫🇷🇩',
        '👩‍👧',
        'İ',
        'Σ',
        '각',
        '\u00a0',
      ]
      const texts = Array.from(
        { length: 300 },
        () => randomText(random, 30) + special[random(special.length)]! + randomText(random, 9),
      )
      const wanted = texts.map((text) => normalizeText(text, [step], 'test'))
      expect(driver.decode(driver.encode(texts)).map(String)).toEqual(wanted)
    })
  }
})
