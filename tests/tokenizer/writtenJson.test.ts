import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import type { Json } from '../../src/formats/checkpoint.ts'
import { openCheckpoint } from '../../src/formats/openCheckpoint.ts'
import { plainContract, type TokenizerContract } from '../../src/tokenizer/contract.ts'
import { readJsonTokenizer } from '../../src/tokenizer/readJsonTokenizer.ts'
import { compileTokenizer, readTokenizer } from '../../src/tokenizer/tokenizer.ts'
import { writeJsonTokenizer } from '../../src/tokenizer/writeJsonTokenizer.ts'
import { addSpecial, buildDriver } from './driver.ts'
import { randomText, seeded } from './randomText.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const built = buildDriver()
afterAll(() => built.close())

const names = ['llama-spm', 'phi-3', 'gpt-2', 'starcoder', 'deepseek-coder', 'bert-bge']
const files = [
  { name: 'demo', path: `${root}models/demo.gguf` },
  ...names.map((name) => ({ name, path: `${root}../shared/data/vocab/ggml-vocab-${name}.gguf` })),
]

/** The contract of a GGUF file, and that of the tokenizer.json that is written of it. */
function bothOf(path: string): readonly [TokenizerContract, TokenizerContract] {
  const checkpoint = openCheckpoint(path)
  const contract = readTokenizer(checkpoint.description, path)!
  checkpoint.close()
  const tokenizer = JSON.parse(JSON.stringify(writeJsonTokenizer(contract))) as Json
  return [contract, readJsonTokenizer({ tokenizer }, path)]
}

for (const { name, path } of files) {
  describe.skipIf(!existsSync(path))(`the tokenizer.json of ${name} (all but demo need ../shared/data)`, () => {
    const cases = () => {
      const random = seeded(3)
      const texts = Array.from({ length: 60 }, () => randomText(random, 100, () => true))
      const given = `${path}.inp`
      return existsSync(given) ? [...texts, ...readFileSync(given, 'utf8').split('\n__ggml_vocab_test__\n')] : texts
    }

    it('gives the same ids, text and pieces as the GGUF file', () => {
      const both = bothOf(path)
      const [gguf, json] = both.map((contract) => built.open(compileTokenizer(contract)))
      const texts = cases()
      const ids = gguf!.encode(texts)
      expect(json!.encode(texts)).toEqual(ids)
      expect(json!.encode(texts, addSpecial)).toEqual(gguf!.encode(texts, addSpecial))
      expect(json!.decode(ids)).toEqual(gguf!.decode(ids))
      const [own, written] = both.map(({ pieces }) => {
        const last = pieces.findLastIndex(({ type, bytes }) => type !== 'unused' && bytes.length > 0)
        return pieces.slice(0, last + 1).map(({ type, bytes }) => {
          // Some files have the unknown token as a control token.
          if (type === 'unused') return type
          return `${type === 'unknown' ? 'control' : type} ${Buffer.from(bytes).toString('hex')}`
        })
      })
      expect(written).toEqual(own)
    })
  })
}

describe('a tokenizer.json', () => {
  const contract: TokenizerContract = {
    ...{ ...plainContract, path: 'x.gguf', kind: 'bpe', pieces: [], bos: -1, eos: -1, unknown: -1 },
    ...{ unknownScore: 0, mostWordCharacters: 0, addBos: false, addEos: false, ends: [] },
  }

  it.each([
    ['Unigram', { ...contract, kind: 'unigram' }, /x.gguf: tokenizer: tokenizer.json is not written where its pieces/],
    [
      'text that is changed first',
      { ...contract, steps: [{ step: 'prepend', text: 'x' }] },
      /its text is changed before/,
    ],
    [
      'two ids of one text',
      { ...contract, pieces: [1, 2].map(() => ({ bytes: Buffer.from('a'), type: 'normal' })) },
      /ids 0 and 1 are both written "a"/,
    ],
  ] as const)('is refused for %s', (_, refused, message) => {
    expect(() => writeJsonTokenizer(refused as TokenizerContract)).toThrow(message)
  })
})
