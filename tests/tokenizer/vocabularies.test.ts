import { existsSync, readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openCheckpoint } from '../../src/formats/openCheckpoint.ts'
import { compileTokenizer, readTokenizer } from '../../src/tokenizer/tokenizer.ts'
import { addSpecial, buildDriver, type TokenizerDriver } from './driver.ts'
import { randomBytes, randomText, seeded } from './randomText.ts'

const folder = new URL('../../../shared/data/vocab/', import.meta.url).pathname
const built = buildDriver()
afterAll(() => built.close())

/** `hole`: bytes or characters that the published vocabulary cannot give back. */
const vocabularies = [
  { name: 'llama-spm', anyBytes: true, hole: (code: number) => code === 0x2581 },
  { name: 'phi-3', anyBytes: true, hole: (code: number) => code === 0x2581 },
  { name: 'gpt-2', anyBytes: true, hole: () => false },
  // No token for the byte 0xF1.
  { name: 'starcoder', anyBytes: false, hole: (code: number) => code >= 0x40000 && code < 0x80000 },
  // No tokens for bytes that UTF-8 never has; Latin letters that stand for them are tokens of their own.
  { name: 'deepseek-coder', anyBytes: false, hole: () => false },
] as const

const casesOf = (file: string) => {
  const texts = readFileSync(`${file}.inp`, 'utf8').split('\n__ggml_vocab_test__\n')
  const expected = readFileSync(`${file}.out`, 'utf8').split('\n')
  // The files end with a newline that belongs to no case.
  texts[texts.length - 1] = texts.at(-1)!.replace(/\n$/, '')
  return { texts, wanted: texts.map((_, i) => expected[i]!.split(' ').filter(Boolean).map(Number)) }
}

const open = (file: string): TokenizerDriver => {
  const checkpoint = openCheckpoint(file)
  try {
    return built.open(compileTokenizer(readTokenizer(checkpoint.description, file)!))
  } finally {
    checkpoint.close()
  }
}

const bert = `${folder}ggml-vocab-bert-bge.gguf`
describe.skipIf(!existsSync(bert))('the vocabulary bert-bge (needs ../shared/data)', () => {
  it('gives the published ids of every case', () => {
    const { texts, wanted } = casesOf(bert)
    expect(texts.length).toBeGreaterThan(40)
    expect(open(bert).encode(texts)).toEqual(wanted)
  })

  it('gives words back in lower case, without accents, and begins with [CLS], ends with [SEP]', () => {
    const driver = open(bert)
    const ids = driver.encode(["Hello, WORLD! Isn't it naïve?"], addSpecial)
    expect([ids[0]!.at(0), ids[0]!.at(-1)]).toEqual([101, 102])
    expect(String(driver.decode(ids, false)[0])).toBe("hello, world! isn ' t it naive?")
    expect(String(driver.decode(ids)[0])).toBe("[CLS] hello, world! isn ' t it naive? [SEP]")
  })
})

for (const { name, anyBytes, hole } of vocabularies) {
  const file = `${folder}ggml-vocab-${name}.gguf`
  describe.skipIf(!existsSync(file))(`the vocabulary ${name} (needs ../shared/data)`, () => {
    let driver: TokenizerDriver
    beforeAll(() => {
      driver = open(file)
    })

    it('gives the published ids of every case', () => {
      const { texts, wanted } = casesOf(file)
      expect(texts.length).toBeGreaterThan(40)
      expect(driver.encode(texts)).toEqual(wanted)
    })

    it('gives random Unicode back', () => {
      const random = seeded(1)
      const texts = Array.from({ length: 400 }, () => randomText(random, 120, (code) => !hole(code)))
      expect(driver.decode(driver.encode(texts)).map(String)).toEqual(texts)
    })

    it.skipIf(!anyBytes)('gives random bytes back (skipped where the vocabulary lacks bytes)', () => {
      const random = seeded(2)
      const texts = Array.from({ length: 400 }, () => Buffer.from(randomBytes(random, 80)))
      expect(driver.decode(driver.encode(texts))).toEqual(texts)
    })

    it('writes U+FFFD or the byte itself for bytes that are no UTF-8, and nothing else', () => {
      const random = seeded(3)
      const texts = Array.from({ length: 200 }, () => Buffer.from(randomBytes(random, 80)))
      driver.decode(driver.encode(texts)).forEach((bytes, i) => {
        const lost = (text: Buffer) => text.toString('utf8').replaceAll('\ufffd', '')
        expect(lost(bytes)).toBe(lost(texts[i]!))
      })
    })
  })
}
