import { afterAll, describe, expect, it } from 'vitest'
import type { TokenizerContract } from '../../src/tokenizer/contract.ts'
import { compileTokenizer } from '../../src/tokenizer/tokenizer.ts'
import { buildDriver, parseSpecial } from './driver.ts'
import { randomText, seeded } from './randomText.ts'
import { byteContract, characterContract } from './smallContracts.ts'

const built = buildDriver()
afterAll(() => built.close())

const latin = (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1')

/** Joins the best pair, the leftmost of equals, until there is none: the definition, in quadratic time. */
function mergeSlowly(start: string[], rankOf: (left: string, right: string) => number | undefined): string[] {
  const parts = [...start]
  for (;;) {
    let at = -1
    let best = Number.POSITIVE_INFINITY
    for (let i = 0; i + 1 < parts.length; i++) {
      const rank = rankOf(parts[i]!, parts[i + 1]!) ?? Number.POSITIVE_INFINITY
      if (rank < best) {
        best = rank
        at = i
      }
    }
    if (at < 0) return parts
    parts.splice(at, 2, parts[at]! + parts[at + 1]!)
  }
}

function bytesSlowly({ pieces, merges }: TokenizerContract, text: string): number[] {
  const idOf = new Map(pieces.flatMap(({ bytes, type }, id) => (type === 'normal' ? [[latin(bytes), id]] : [])))
  const ranks = new Map<string, number>()
  for (let row = 0; row < merges.length / 3; row++) ranks.set(`${merges[3 * row]} ${merges[3 * row + 1]}`, row)
  const rankOf = (left: string, right: string) => ranks.get(`${idOf.get(left)} ${idOf.get(right)}`)
  return mergeSlowly([...latin(Buffer.from(text))], rankOf).map((part) => idOf.get(part)!)
}

function charactersSlowly({ pieces, scores, unknown, byteFallback }: TokenizerContract, text: string): number[] {
  const idOf = new Map<string, number>()
  pieces.forEach(({ bytes, type }, id) => {
    if (type === 'normal') idOf.set(Buffer.from(bytes).toString(), id)
  })
  const rankOf = (left: string, right: string) => {
    const id = idOf.get(left + right)
    return id === undefined ? undefined : -scores![id]!
  }
  const ids: number[] = []
  for (const part of mergeSlowly([...`\u2581${text.replaceAll(' ', '\u2581')}`], rankOf)) {
    const id = idOf.get(part)
    if (id !== undefined) ids.push(id)
    else if (byteFallback) ids.push(...[...Buffer.from(part)].map((byte) => byte + 3))
    else if (ids.at(-1) !== unknown) ids.push(unknown)
  }
  return ids
}

describe('merging', () => {
  it('of bytes joins the first rule first, then leftmost', () => {
    const random = seeded(5)
    for (let round = 0; round < 4; round++) {
      const contract = byteContract(random, [])
      const driver = built.open(compileTokenizer(contract))
      const texts = Array.from({ length: 150 }, () => letters(random, 'abcde é', 60))
      expect(driver.encode(texts)).toEqual(texts.map((text) => bytesSlowly(contract, text)))
    }
  })

  it('of characters joins the highest score first, then leftmost, also through characters without a piece', () => {
    const random = seeded(6)
    for (let round = 0; round < 4; round++) {
      const contract = characterContract(random, round % 2 === 0)
      const driver = built.open(compileTokenizer(contract))
      const texts = Array.from({ length: 150 }, () => letters(random, 'abcé漢🦙x  ', 60)).filter(Boolean)
      expect(driver.encode(texts)).toEqual(texts.map((text) => charactersSlowly(contract, text)))
    }
  })

  it('takes a megabyte without spaces in time that grows little faster than the text', () => {
    const random = seeded(7)
    const driver = built.open(compileTokenizer(byteContract(seeded(1))))
    const text = letters(random, 'abcde', 2_000_000).padEnd(1_000_000, 'ab')
    const begin = performance.now()
    const [ids] = driver.encode([text])
    expect(performance.now() - begin).toBeLessThan(15_000)
    expect(driver.decode([ids!])[0]!.toString()).toBe(text)
  })
})

describe('a text with special tokens', () => {
  const contract = byteContract(seeded(1))
  const driver = built.open(compileTokenizer(contract))
  const user = contract.pieces.length - 1

  it('has control tokens only where they are asked for, user tokens always', () => {
    const [plain] = driver.encode(['a<s>b<user>'])
    const [parsed] = driver.encode(['a<s>b<user>'], parseSpecial)
    expect(plain!.filter((id) => id >= contract.bos)).toEqual([user])
    expect(parsed!.filter((id) => id >= contract.bos)).toEqual([contract.bos, user])
    expect(driver.decode([parsed!])[0]!.toString()).toBe('a<s>b<user>')
    expect(driver.decode([parsed!], false)[0]!.toString()).toBe('ab<user>')
  })

  it('takes the longest token that begins at a place', () => {
    const pieces = [...contract.pieces, { bytes: Buffer.from('<s><s>'), type: 'control' } as const]
    const longer = built.open(compileTokenizer({ ...contract, pieces }))
    const [ids] = longer.encode(['<s><s><s>'], parseSpecial)
    expect(ids).toEqual([pieces.length - 1, contract.bos])
  })
})

describe('normalising', () => {
  it('brings text to NFC as JavaScript does', () => {
    const driver = built.open(compileTokenizer({ ...byteContract(seeded(1)), steps: [{ step: 'form', form: 'NFC' }] }))
    const random = seeded(8)
    const marks = '\u0300\u0301\u0308\u0323\u0327\u0345\u0334\u05b0\u3099\u0344\u1161\u11a8\u09be'
    const texts = Array.from({ length: 600 }, () => {
      const text = randomText(random, 30)
      return random(2) === 0 ? text.normalize('NFD') : [...text].join(letters(random, marks, 3))
    })
    expect(driver.decode(driver.encode(texts)).map(String)).toEqual(texts.map((text) => text.normalize('NFC')))
  })
})

function letters(random: (below: number) => number, alphabet: string, most: number): string {
  const characters = [...alphabet]
  return Array.from({ length: random(most + 1) }, () => characters[random(characters.length)]).join('')
}
