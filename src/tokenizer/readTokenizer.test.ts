import { describe, expect, it } from 'vitest'
import type { Json, MetadataValue } from '../formats/checkpoint.ts'
import { byteToLetter } from './byteAlphabet.ts'
import type { TokenizerContract } from './contract.ts'
import { compileTokenizer, readTokenizer } from './tokenizer.ts'

type Changes = { readonly [key: string]: MetadataValue | undefined }

const byteTokens = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`)

const bpe = {
  model: 'gpt2',
  pre: 'qwen2',
  tokens: [...byteToLetter, 'ab', '\u0120ab', '<|im_end|>', '<|endoftext|>', '<tool>'],
  token_type: Int32Array.from([...byteToLetter.map(() => 1), 1, 1, 3, 3, 4]),
  merges: ['a b', '\u0120 ab'],
  eos_token_id: 259,
}
const spm = {
  model: 'llama',
  tokens: ['<unk>', '<s>', '</s>', ...byteTokens, '\u2581', 'a', '\u2581a'],
  token_type: Int32Array.from([2, 3, 3, ...byteTokens.map(() => 6), 1, 1, 1]),
  scores: new Float32Array(262),
}

function gguf(base: Changes, changes: Changes = {}): TokenizerContract | undefined {
  const entries = Object.entries({ ...base, ...changes }).filter(([, value]) => value !== undefined)
  const metadata = new Map(entries.map(([key, value]) => [`tokenizer.ggml.${key}`, value!]))
  return readTokenizer({ format: 'gguf', metadata, types: new Map() }, 'model.gguf')
}

const bytesOf = (contract: TokenizerContract, id: number) => Buffer.from(contract.pieces[id]!.bytes).toString()

describe('a GGUF tokenizer', () => {
  it('is absent where the file names none', () => {
    expect(readTokenizer({ format: 'gguf', metadata: new Map(), types: new Map() }, 'x')).toBeUndefined()
    expect(gguf({ model: 'none' })).toBeUndefined()
  })

  it('of byte-level BPE has bytes for letters, ids for merges, and the policy of its split', () => {
    const contract = gguf(bpe)!
    expect(contract).toMatchObject({ kind: 'bpe', wholeWords: false, bos: -1, eos: 259, addBos: false, prefix: 'none' })
    expect(bytesOf(contract, 257)).toBe(' ab')
    expect([...contract.merges]).toEqual([97, 98, 256, 32, 256, 257])
    expect(gguf(bpe, { pre: 'llama-bpe', bos_token_id: 259 })).toMatchObject({
      wholeWords: true,
      addBos: true,
      bos: 259,
    })
  })

  it('ends at EOS, EOT and well-known control tokens', () => {
    expect(gguf(bpe)!.ends).toEqual([258, 259])
    expect(gguf(bpe, { eot_token_id: 260 })!.ends).toEqual([258, 259, 260])
    expect(gguf(bpe, { token_type: new Int32Array(261).fill(1) })!.ends).toEqual([259])
  })

  it('of SentencePiece has a prefix, byte fallback and the usual ids unless it says otherwise', () => {
    const usual = { bos: 1, eos: 2, unknown: 0, addBos: true, addEos: false, prefix: 'always', byteFallback: true }
    expect(gguf(spm)).toMatchObject({ ...usual, kind: 'spm', ends: [2] })
    expect(gguf(spm, { add_space_prefix: false, add_bos_token: false })).toMatchObject({
      prefix: 'none',
      addBos: false,
    })
    expect(gguf(spm, { bos_token_id: 0xffffffff })).toMatchObject({ bos: 1 })
  })

  it('gives the same tables each time', () => {
    for (const base of [bpe, spm]) expect(compileTokenizer(gguf(base)!)).toEqual(compileTokenizer(gguf(base)!))
  })

  const without = (tokens: readonly string[], text: string) =>
    tokens.map((token) => (token === text ? `${text}?` : token))
  it.each<[string, Changes, Changes, RegExp]>([
    ['another model', bpe, { model: 'rwkv' }, /model is "rwkv"; accepted: llama .*gpt2.*t5.*bert/],
    ['an unknown split', bpe, { pre: 'nobody' }, /pre is "nobody"; accepted: gpt-2, .*qwen2/],
    ['no split', bpe, { pre: undefined }, /pre is missing; accepted: gpt-2/],
    ['no merges', bpe, { merges: undefined }, /merges is no list/],
    ['a merge of no token', bpe, { merges: ['a zz'] }, /merge 0 needs token "zz", which is missing/],
    ['a merge into no token', bpe, { merges: ['b a'] }, /merge 0 needs token "ba"/],
    ['a merge given twice', bpe, { merges: ['a b', 'a b'] }, /merge 1 .* given before/],
    ['a merge of one part', bpe, { merges: ['ab'] }, /merge 0 is "ab"/],
    ['a missing byte', bpe, { tokens: without(bpe.tokens, 'q'), merges: [] }, /no token for the single byte 0x71/],
    [
      'a token given twice',
      bpe,
      { tokens: bpe.tokens.map((token) => (token === '\u0120ab' ? 'ab' : token)), merges: [] },
      /tokens 256 and 257 are both "ab"/,
    ],
    ['an empty token', bpe, { tokens: bpe.tokens.map((t) => (t === 'ab' ? '' : t)), merges: [] }, /token 256 is empty/],
    [
      'an id beyond the vocabulary',
      bpe,
      { eos_token_id: 261 },
      /eos id 261 is outside the vocabulary; accepted: 0 to 260/,
    ],
    ['an id that is a text', bpe, { bos_token_id: '1' }, /bos_token_id is "1"/],
    ['types of another number', bpe, { token_type: new Int32Array(3) }, /token_type has 3 numbers; accepted: 261/],
    [
      'an unknown type',
      bpe,
      { token_type: new Int32Array(261).fill(9) },
      /token 0 has type 9; accepted: 1 normal, 2 unknown/,
    ],
    ['a token that is a number', bpe, { tokens: [1] }, /tokens\[0\] is no text/],
    ['no tokens', bpe, { tokens: [], token_type: undefined, merges: [], eos_token_id: undefined }, /has 0 tokens/],
    ['a flag that is a text', bpe, { add_bos_token: 'yes' }, /add_bos_token is "yes"; accepted: true or false/],
    ['BOS without an id', bpe, { add_bos_token: true }, /there is no BOS id/],
    ['no scores', spm, { scores: undefined }, /scores are missing/],
    ['a score that is no number', spm, { scores: new Float32Array(262).fill(Number.NaN) }, /score of token 0/],
    ['a missing byte token', spm, { token_type: spm.token_type.map((t, i) => (i === 5 ? 1 : t)) }, /<0x02> is missing/],
    [
      'a byte token that is none',
      spm,
      { tokens: without(spm.tokens, '<0x07>') },
      /byte token 10 is written "<0x07>\?"/,
    ],
    ['a damaged character map', spm, { precompiled_charsmap: Uint8Array.of(1) }, /character map is damaged: it is sh/],
    [
      'neither bytes nor unknown',
      spm,
      { token_type: new Int32Array(262).fill(1) },
      /no token; accepted: 256 byte tokens/,
    ],
  ])('is refused with %s', (_, base, changes, message) => {
    expect(() => gguf(base, changes)).toThrow(message)
    expect(() => gguf(base, changes)).toThrow(/^model\.gguf: tokenizer: .+; accepted: .+/)
  })
})

const vocab = Object.fromEntries([...byteToLetter, 'ab'].map((text, id) => [text, id]))
const json = {
  added_tokens: [
    { id: 257, content: '<|im_end|>', special: true, lstrip: false, rstrip: false, single_word: false },
    { id: 259, content: '<tool>', special: false, rstrip: true },
  ],
  normalizer: null,
  pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, use_regex: true },
  post_processor: null,
  decoder: { type: 'ByteLevel' },
  model: { type: 'BPE', vocab, merges: ['a b'] },
} as const

type Files = {
  readonly config?: { [key: string]: Json }
  readonly generationConfig?: Json
  readonly tokenizerConfig?: Json
}

function transformers(changes: { readonly [key: string]: Json } = {}, files: Files = {}): TokenizerContract {
  const tokenizer = { ...json, ...changes }
  return readTokenizer({ format: 'transformers', config: {}, ...files, tokenizer }, 'model')!
}

describe('a tokenizer.json', () => {
  it('is absent where the folder has none', () => {
    expect(readTokenizer({ format: 'transformers', config: {} }, 'model')).toBeUndefined()
  })

  it('takes ids from its neighbours, and fills ids without a token', () => {
    const contract = transformers(
      {},
      {
        tokenizerConfig: { bos_token: '<|im_end|>', eos_token: { content: '<tool>' }, add_bos_token: true },
        generationConfig: { eos_token_id: [5, 9999] },
      },
    )
    expect(contract).toMatchObject({ kind: 'bpe', bos: 257, eos: 259, addBos: true, ends: [5, 257, 259] })
    expect(contract.pieces[258]).toMatchObject({ type: 'unused' })
    expect(contract.pieces[259]).toMatchObject({ type: 'user', stripRight: true })
  })

  it('takes BOS and EOS from its template', () => {
    const token = (id: string) => ({ SpecialToken: { id, type_id: 0 } })
    const single = [token('<|im_end|>'), { Sequence: { id: 'A', type_id: 0 } }, token('<tool>')]
    const post_processor = {
      type: 'Sequence',
      processors: [{ type: 'ByteLevel' }, { type: 'TemplateProcessing', single }],
    }
    expect(transformers({ post_processor })).toMatchObject({ bos: 257, eos: 259, addBos: true, addEos: true })
  })

  const split = (pattern: Json, behavior = 'Isolated', invert = false) => ({
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [{ type: 'Split', pattern, behavior, invert }, json.pre_tokenizer],
    },
  })
  it('takes the text of its splits, with literal strings escaped', () => {
    const isolated = { behaviour: 'isolated', invert: false }
    expect(transformers(split({ String: 'a.b' })).splits[0]).toEqual({ pattern: 'a\\.b', ...isolated })
    expect(transformers(split({ Regex: '\\p{L}+' })).splits[0]).toEqual({ pattern: '\\p{L}+', ...isolated })
    const merged = { pattern: 'a', behaviour: 'mergedWithNext', invert: true }
    expect(transformers(split({ Regex: 'a' }, 'MergedWithNext', true)).splits[0]).toEqual(merged)
  })

  it.each<[string, { readonly [key: string]: Json }, RegExp]>([
    ['no object', { model: 7 }, /model's type is missing/],
    [
      'a model of words',
      { model: { type: 'WordLevel', vocab: {} } },
      /type is "WordLevel"; accepted: "BPE", "Unigram"/,
    ],
    ['WordPiece over bytes', { model: { type: 'WordPiece', vocab } }, /WordPiece with other words than its own/],
    [
      'WordPiece of another prefix',
      { model: { type: 'WordPiece', vocab, continuing_subword_prefix: '@@' } },
      /continuing_subword_prefix is "@@"; accepted: "##"/,
    ],
    [
      'WordPiece without an unknown token',
      { pre_tokenizer: null, decoder: null, model: { type: 'WordPiece', vocab } },
      /outside the vocabulary have no token; accepted: an unknown token/,
    ],
    ['Unigram without an unknown token', { model: { type: 'Unigram', vocab: [['a', 0]] } }, /unk_id is null/],
    ['a Unigram token without score', { model: { type: 'Unigram', unk_id: 0, vocab: [['a']] } }, /token 0 is \["a"\]/],
    ['Unigram over bytes', { model: { type: 'Unigram', unk_id: 0, vocab: [['a', -1]] } }, /Unigram over bytes/],
    [
      'a damaged character map',
      { normalizer: { type: 'Precompiled', precompiled_charsmap: 'AQAAAAA=' } },
      /character map is damaged: its trie has 1 bytes of 5/,
    ],
    ['no vocabulary', { model: { type: 'BPE', merges: [] } }, /model.vocab is missing/],
    ['no merges', { model: { type: 'BPE', vocab } }, /model.merges is missing/],
    ['a merge of no token', { model: { type: 'BPE', vocab, merges: [['a', 'q q']] } }, /merge 0 needs token "q q"/],
    [
      'an id of 2^40',
      { model: { type: 'BPE', vocab: { ...vocab, x: 2 ** 40 }, merges: [] } },
      /"x" has id 1099511627776/,
    ],
    ['an id given twice', { model: { type: 'BPE', vocab: { ...vocab, x1: 5 }, merges: [] } }, /id 5 is given twice/],
    [
      'an added token that contradicts',
      { added_tokens: [{ id: 4, content: 'x1' }] },
      /"x1" has id 4, which contradicts/,
    ],
    ['an added token without text', { added_tokens: [{ id: 300 }] }, /object with id and content/],
    ['a word suffix', { model: { type: 'BPE', vocab, merges: [], end_of_word_suffix: '</w>' } }, /end_of_word_suffix/],
    ['an unknown normaliser', { normalizer: { type: 'Append' } }, /normalizer is .*Append.*; accepted: NFC/],
    ['a split of no known kind', split({ Regex: 'a' }, 'Dropped'), /pretokenizers\[0\] is .*Dropped.*MergedWithNext/],
    [
      'a prefix space for each piece',
      {
        pre_tokenizer: {
          type: 'Sequence',
          pretokenizers: [{ type: 'Digits' }, { type: 'ByteLevel', add_prefix_space: true }],
        },
      },
      /add_prefix_space false behind another step/,
    ],
    ['an unknown decoder', { decoder: { type: 'CTC' } }, /decoder is .*CTC.*; accepted: ByteLevel/],
    ['neither bytes nor spaces', { pre_tokenizer: null, decoder: null }, /neither ByteLevel nor/],
    ['an unknown step', { pre_tokenizer: { type: 'Bert' } }, /pre_tokenizer is .*Bert/],
    ['an unknown post-processor', { post_processor: { type: 'Other' } }, /post_processor is .*Other/],
    ['a processor of no token', { post_processor: { type: 'BertProcessing', cls: ['x1', 1] } }, /cls of the post_/],
    [
      'a template of three tokens',
      { post_processor: { type: 'TemplateProcessing', single: [] } },
      /at most one token before/,
    ],
  ])('is refused with %s', (_, changes, message) => {
    expect(() => transformers(changes)).toThrow(message)
    expect(() => transformers(changes)).toThrow(/^model: tokenizer: .+; accepted: .+/)
  })

  it('is refused for a split pattern that cannot be compiled, when the tables are made', () => {
    const contract = transformers(split({ Regex: '(?<!a)b' }))
    expect(() => compileTokenizer(contract)).toThrow(/split pattern "\(\?<!a\)b": assertion .* looks back/)
  })
})
