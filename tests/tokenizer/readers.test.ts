import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { CkError } from '../../src/base/errors.ts'
import type { Json, MetadataValue } from '../../src/formats/checkpoint.ts'
import { readCharsmap } from '../../src/tokenizer/charsmap.ts'
import type { TokenizerContract } from '../../src/tokenizer/contract.ts'
import { compileTokenizer, readTokenizer } from '../../src/tokenizer/tokenizer.ts'
import { mutateBytes, mutateJson, specimen } from '../fuzz/mutateBytes.ts'
import { type Random, seededRandom } from '../fuzz/random.ts'
import { smallCharsmap } from './smallContracts.ts'

const cases = Number(process.env.CK_FUZZ_CASES ?? 600)
const folder = new URL('mixed/', import.meta.url).pathname
const read = <T>(name: string) => JSON.parse(readFileSync(folder + name, 'utf8')) as T
const modelOf = (name: string) => Buffer.from(read<{ model: string }>(name).model, 'base64')

/** Runs a reader on mutated cases: a contract, or a refusal in one clear sentence. Returns how many were read. */
function readMany(count: number, open: (random: Random) => TokenizerContract | undefined): number {
  let opened = 0
  for (let seed = 1; seed <= count; seed++) {
    try {
      const contract = open(seededRandom(seed))
      if (!contract) continue
      // The tables of a contract that was read can be made, or its patterns are refused.
      if (opened++ % 40 === 0) compileTokenizer(contract)
    } catch (error) {
      if (!(error instanceof CkError)) throw new Error(`seed ${seed}: neither read nor refused`, { cause: error })
      expect(error.message).not.toMatch(/[\p{Cc}\p{Surrogate}]|undefined|NaN/u)
      expect(error.message.length).toBeLessThan(2000)
    }
  }
  return opened
}

const mutated = (bytes: Buffer, headerBytes: number) => {
  const subject = specimen(bytes, headerBytes)
  const scratch = Buffer.alloc(2 * bytes.length + 4096)
  return (random: Random) => Buffer.from(mutateBytes(subject, random, scratch))
}

describe('a damaged file is read or refused:', () => {
  for (const name of ['spm-bpe.json', 'spm-unigram.json']) {
    it(`tokenizer.model of ${name}`, () => {
      const bytes = modelOf(name)
      const mutate = mutated(bytes, bytes.length)
      const opened = readMany(cases / 2, (random) =>
        readTokenizer({ format: 'transformers', config: {}, sentencePiece: mutate(random) }, 'tokenizer.model'),
      )
      expect(opened).toBeLessThan(cases / 2)
    })
  }

  it('a precompiled character map', () => {
    const bytes = Buffer.from(smallCharsmap())
    const mutate = mutated(bytes, bytes.length)
    let refused = 0
    for (let seed = 1; seed <= cases; seed++) {
      const charsmap = mutate(seededRandom(seed))
      const map = readCharsmap(charsmap)
      if (typeof map === 'string') refused++
      else map.find(Buffer.from('e\u0301\u304b\u3099...'), 0, 11, true)
    }
    expect(refused).toBeGreaterThan(cases / 10)
  })

  for (const name of ['unigram', 'wordpiece', 'wordpiece-plain']) {
    it(`tokenizer.json of ${name}`, () => {
      type Vocabulary = { readonly [text: string]: Json } | readonly Json[]
      const { tokenizer } = read<{ tokenizer: { model: { vocab: Vocabulary } } }>(`${name}.json`)
      const { vocab } = tokenizer.model
      // Few pieces, so that the settings are met.
      const few = Array.isArray(vocab) ? vocab.slice(0, 30) : Object.fromEntries(Object.entries(vocab).slice(0, 30))
      const text = JSON.stringify({ ...tokenizer, added_tokens: [], model: { ...tokenizer.model, vocab: few } })
      readMany(cases / 2, (random) => {
        try {
          const json = JSON.parse(mutateJson(text, random)) as Json
          return readTokenizer({ format: 'transformers', config: {}, tokenizer: json }, 'tokenizer.json')
        } catch (error) {
          if (error instanceof SyntaxError) return undefined
          throw error
        }
      })
    })
  }
})

describe('a bad tokenizer is refused at once, with the reason:', () => {
  const piece = (text: string, score: number, type = 1) => {
    const body = Buffer.concat([
      Buffer.from([0x0a, text.length]),
      Buffer.from(text, 'latin1'),
      Buffer.from([0x15, 0, 0, 0, 0]),
    ])
    body.writeFloatLE(score, body.length - 4)
    return Buffer.concat([Buffer.from([0x0a, body.length + 2]), body, Buffer.from([0x18, type])])
  }
  const model = (...parts: Buffer[]) => Buffer.concat([piece('<unk>', 0, 2), ...parts])
  const settings = (...bytes: number[]) => Buffer.from([0x12, bytes.length, ...bytes])
  const open = (sentencePiece: Buffer, tokenizerConfig: Json = {}) =>
    readTokenizer({ format: 'transformers', config: {}, sentencePiece, tokenizerConfig }, 'm')

  it('a small tokenizer.model is read', () => {
    const contract = open(model(piece('<s>', 0, 3), piece('</s>', 0, 3), piece('a', -1), settings(0x18, 1)))
    expect(contract).toMatchObject({ kind: 'unigram', unknown: 0, bos: 1, eos: 2, addEos: true, unknownScore: -11 })
  })

  it.each<[string, Buffer, Json, RegExp]>([
    ['no message', Buffer.from([0x0a, 0xff, 0x01]), {}, /no protobuf message: the field at byte 0 is longer/],
    [
      'an endless number',
      Buffer.alloc(20, 0xff),
      {},
      /no protobuf message: the number at byte 0 has more than 10 bytes/,
    ],
    ['a number cut off', Buffer.from([0x80]), {}, /it ends within the number at byte 0/],
    ['nothing', Buffer.alloc(0), {}, /it has no pieces/],
    ['a piece twice', model(piece('a', 0), piece('a', 0)), {}, /tokens 1 and 2 are both "a"/],
    ['a piece of unknown type', model(piece('a', 0, 9)), {}, /piece 1 has type 9/],
    ['a piece that is no text', model(piece('\xff', 0)), {}, /piece 1 has no text/],
    ['a score that is no number', model(piece('a', Number.NaN)), {}, /score of token 1 is not a number/],
    ['words', model(settings(0x18, 3)), {}, /model type 3; accepted: 1 \(Unigram\) or 2 \(BPE\)/],
    ['a class with other ids', model(), { tokenizer_class: 'XLMRobertaTokenizerFast' }, /numbers tokens otherwise/],
    ['an added token of no id', model(), { added_tokens_decoder: { x: { content: 'a' } } }, /added token "x" is/],
    [
      'a spoilt character map',
      model(Buffer.from([0x1a, 3, 0x12, 1, 7])),
      {},
      /character map is damaged: it is shorter/,
    ],
  ])('tokenizer.model with %s', (_, bytes, config, message) => {
    expect(() => open(bytes, config)).toThrow(message)
    expect(() => open(bytes, config)).toThrow(/^m: tokenizer: .+; accepted: .+/)
  })

  const keys = (changes: { readonly [key: string]: MetadataValue }) => {
    const tokens = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '\u2581a', 'b', '\u2581[']
    const entries = Object.entries({ model: 'bert', tokens, ...changes })
    const metadata = new Map(entries.map(([key, value]) => [`tokenizer.ggml.${key}`, value]))
    return readTokenizer({ format: 'gguf', metadata, types: new Map() }, 'm.gguf')!
  }

  it('a WordPiece tokenizer of a GGUF file is read, with pieces as they are written elsewhere', () => {
    const contract = keys({ seperator_token_id: 3, cls_token_id: 2 })
    expect(contract).toMatchObject({ kind: 'wordpiece', bos: 2, eos: 3, unknown: 1, addBos: true, addEos: true })
    expect(contract.pieces.map(({ bytes }) => Buffer.from(bytes).toString()).slice(4)).toEqual(['a', '##b', '['])
    expect(keys({ 'normalizer.lowercase': false }).steps).not.toContainEqual({ step: 'map', map: 'lowercase' })
  })

  it('a Unigram tokenizer of a GGUF file is read', () => {
    const tokens = ['<pad>', '</s>', '<unk>', '\u2581a']
    const token_type = Int32Array.of(3, 3, 2, 1)
    const scores = Float32Array.of(0, 0, 0, -2)
    const t5 = { model: 't5', tokens, token_type, scores, precompiled_charsmap: Array.from(smallCharsmap()) }
    expect(keys({ ...t5, remove_extra_whitespaces: true })).toMatchObject({
      kind: 'unigram',
      addBos: false,
      addEos: true,
      eos: 1,
      unknown: 2,
      unknownScore: -12,
      prefix: 'always',
    })
    expect(() => keys({ ...t5, precompiled_charsmap: [300] })).toThrow(/precompiled_charsmap is no list of bytes/)
    expect(() => keys({ ...t5, treat_whitespace_as_suffix: true })).toThrow(/treat_whitespace_as_suffix is true/)
  })
})
