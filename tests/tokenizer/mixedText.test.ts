import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { afterAll, describe, expect, it } from 'vitest'
import type { Json } from '../../src/formats/checkpoint.ts'
import { isolate, type TokenizerContract } from '../../src/tokenizer/contract.ts'
import { splitRules } from '../../src/tokenizer/splitPatterns.ts'
import { compileTokenizer, readTokenizer } from '../../src/tokenizer/tokenizer.ts'
import { addSpecial, buildDriver, idBytes, parseSpecial } from './driver.ts'
import { type MixedText, mixedDocuments } from './mixedText.ts'

// Made by oracles/tokenizer_kinds.py with Hugging Face tokenizers and SentencePiece.
const folder = new URL('mixed/', import.meta.url).pathname
const read = <T>(name: string) => JSON.parse(readFileSync(folder + name, 'utf8')) as T

interface Recorded {
  readonly tokenizer: Json
  readonly lines: {
    readonly texts: readonly string[]
    readonly ids: readonly number[][]
    readonly special: readonly number[][]
    readonly decoded: readonly string[]
  }
  readonly mixed: MixedText & { readonly ids: readonly string[] }
}

const built = buildDriver('cc', ['-O2', '-fno-sanitize=all'])
afterAll(() => built.close())

const contractOf = (tokenizer: Json, name: string): TokenizerContract =>
  readTokenizer({ format: 'transformers', config: {}, tokenizer }, name)!

/** The number of a document's ids and the beginning of their digest, as the oracle writes it. */
const digest = (ids: readonly number[]) =>
  `${ids.length}:${createHash('sha256').update(idBytes(ids)).digest('hex').slice(0, 8)}`

describe('the mixed text', () => {
  it('is a megabyte of the same bytes each time', () => {
    const which = { seed: 11, count: 64, pieces: 1200, longest: 3000 }
    const text = mixedDocuments(which).join('')
    expect(Buffer.byteLength(text)).toBeGreaterThan(1_000_000)
    expect(mixedDocuments(which).join('')).toBe(text)
  })
})

const kinds = readdirSync(folder).filter((name) => !name.startsWith('spm-') && name !== 'patterns.json')
for (const name of kinds) {
  describe(`the tokenizer.json ${name.replace('.json', '')}`, () => {
    const { tokenizer, lines, mixed } = read<Recorded>(name)
    const driver = built.open(compileTokenizer(contractOf(tokenizer, name)))

    it('gives the recorded ids and text of each line', () => {
      expect(driver.encode(lines.texts, parseSpecial)).toEqual(lines.ids)
      expect(driver.encode(lines.texts, parseSpecial | addSpecial)).toEqual(lines.special)
      const { decoded } = lines
      expect(driver.decode(lines.ids.slice(0, decoded.length), false).map(String)).toEqual(decoded)
    })

    it('gives the recorded ids of a megabyte of mixed text', () => {
      expect(driver.encode(mixedDocuments(mixed), parseSpecial).map(digest)).toEqual(mixed.ids)
    })
  })
}

describe('one vocabulary of bytes', () => {
  interface Patterns {
    readonly tokenizer: { readonly [key: string]: Json }
    readonly mixed: MixedText
    readonly families: { readonly [name: string]: { readonly pre_tokenizer: Json; readonly ids: readonly string[] } }
  }
  const { tokenizer, mixed, families } = read<Patterns>('patterns.json')
  const documents = mixedDocuments(mixed)
  for (const [name, { pre_tokenizer, ids }] of Object.entries(families)) {
    it(`cut as ${name} does it gives the recorded ids`, () => {
      const contract = contractOf({ ...tokenizer, pre_tokenizer }, name)
      expect(built.open(compileTokenizer(contract)).encode(documents).map(digest)).toEqual(ids)
      const rule = splitRules.get(name)
      const patterns = contract.splits.map(({ pattern }) => pattern)
      if (!rule || rule.splits.every((pattern, i) => pattern === patterns[i])) return
      const named = built.open(compileTokenizer({ ...contract, splits: rule.splits.map(isolate) }))
      expect(named.encode(documents).map(digest)).toEqual(ids)
    })
  }
})

for (const kind of ['bpe', 'unigram'] as const) {
  describe(`the tokenizer.model of kind ${kind}`, () => {
    interface Model {
      readonly model: string
      readonly lines: { readonly texts: readonly string[]; readonly ids: readonly number[][] }
      readonly mixed: MixedText & { readonly ids: readonly string[] }
    }
    const { model, lines, mixed } = read<Model>(`spm-${kind}.json`)
    const sentencePiece = Buffer.from(model, 'base64')
    const contract = readTokenizer({ format: 'transformers', config: {}, sentencePiece }, kind)!
    const driver = built.open(compileTokenizer(contract))

    it('gives the ids that SentencePiece gives, of lines and of a megabyte', () => {
      expect(driver.encode(lines.texts)).toEqual(lines.ids)
      expect(driver.encode(mixedDocuments(mixed)).map(digest)).toEqual(mixed.ids)
    })
  })
}
