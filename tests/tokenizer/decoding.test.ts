import { afterAll, describe, expect, it } from 'vitest'
import { compileTokenizer } from '../../src/tokenizer/tokenizer.ts'
import { addSpecial, buildDriver, parseSpecial } from './driver.ts'
import { randomText, seeded } from './randomText.ts'
import { byteContract, characterContract } from './smallContracts.ts'

const built = buildDriver()
afterAll(() => built.close())

const characters = characterContract(seeded(2))
const driver = built.open(compileTokenizer(characters))
const decoded = (ids: readonly number[], special = true) => driver.decode([ids], special)[0]!.toString()

describe('a tokenizer of characters', () => {
  it('adds one space in front and takes one away, however many there are', () => {
    for (const text of ['ab', ' ab', '   ab  c ', '', ' ', '\n a']) {
      const [ids] = driver.encode([text])
      expect(decoded(ids!)).toBe(text)
      expect(driver.pieces([ids!])[0]!.toString()).toBe(text === '' ? '' : ` ${text}`)
    }
  })

  it('takes the space away behind BOS too, and only at the start', () => {
    const [ids] = driver.encode(['ab c'], addSpecial)
    expect(ids![0]).toBe(characters.bos)
    expect(decoded(ids!)).toBe('<s>ab c')
    expect(decoded(ids!, false)).toBe('ab c')
    expect(decoded([...ids!, ...driver.encode(['a'])[0]!], false)).toBe('ab c a')
  })

  it('puts the prefix before the text only, or after each special token', () => {
    const prefixes = { none: 'a</s>a', first: ' a</s>a', always: ' a</s> a' } as const
    for (const prefix of ['none', 'first', 'always'] as const) {
      const each = built.open(compileTokenizer({ ...characters, prefix }))
      const [ids] = each.encode(['a</s>a'], parseSpecial)
      expect(each.pieces([ids!])[0]!.toString()).toBe(prefixes[prefix])
    }
  })

  it('gives any text back, cut at spaces or not', () => {
    const random = seeded(9)
    const texts = Array.from({ length: 200 }, () => randomText(random, 60, (code) => code !== 0x2581))
    for (const cutAtSpaces of [false, true]) {
      const each = built.open(compileTokenizer({ ...characters, cutAtSpaces }))
      expect(each.decode(each.encode(texts)).map(String)).toEqual(texts)
    }
  })

  it('knows its size, BOS, EOS and ends', () => {
    expect(driver.facts()).toEqual({ bos: 1, eos: 2, vocabulary: characters.pieces.length, ends: [2] })
  })
})

describe('a vocabulary without some bytes', () => {
  it('writes U+FFFD for each of them', () => {
    const full = byteContract(seeded(1))
    const pieces = full.pieces.map((piece, id) =>
      id >= 0xf8 && id < 256 ? { ...piece, type: 'unused' as const } : piece,
    )
    const each = built.open(compileTokenizer({ ...full, pieces, merges: new Uint32Array(0) }))
    const ids = each.encode([Buffer.from([0x61, 0xff, 0xf8, 0x62])])
    expect(each.decode(ids).map(String)).toEqual(['a\ufffd\ufffdb'])
  })
})
