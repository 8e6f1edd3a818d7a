import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  type TokenizerTraining,
  type TrainedTokenizer,
  trainTokenizer,
} from '../../src/train/tokenizer/trainTokenizer.ts'
import { recorded, type TrainingCase, writeTexts } from './training.ts'

const data = fileURLToPath(new URL('../../../shared/data/', import.meta.url))
const shakespeare = join(data, 'tinyshakespeare.txt')

const folder = mkdtempSync(join(tmpdir(), 'ck-training-'))
const out = join(folder, 'tokenizer.json')
const cacheBefore = process.env.CK_CACHE
beforeAll(() => {
  process.env.CK_CACHE = join(folder, 'cache')
})
afterAll(() => {
  if (cacheBefore === undefined) delete process.env.CK_CACHE
  else process.env.CK_CACHE = cacheBefore
  rmSync(folder, { recursive: true, force: true })
})

const settings = { vocabulary: 300, split: 'qwen2', special: [], minFrequency: 0, threads: 2 }

/** Trains on one text of these bytes. */
function trainOn(bytes: Uint8Array | string, more: Partial<TokenizerTraining> = {}): Promise<TrainedTokenizer> {
  const file = join(folder, 'own')
  writeFileSync(file, bytes)
  return trainTokenizer({ ...settings, files: [file], ...more }, out)
}

/** Trains as recorded, and gives what was recorded of it. */
async function trained(row: TrainingCase, files: readonly string[], threads: number) {
  const { vocabulary, split, special, bos, minFrequency } = row
  const begin = bos === undefined ? {} : { bos }
  const result = await trainTokenizer({ files, vocabulary, split, special, ...begin, minFrequency, threads }, out)
  const text = readFileSync(out, 'utf8')
  const merges = (JSON.parse(text).model.merges as string[][]).map((pair) => pair.join(' '))
  const found = {
    tokens: result.vocabulary,
    merges: merges.length,
    first: merges.slice(0, 12),
    last: merges.slice(-3),
    sha256: createHash('sha256').update(text).digest('hex'),
  }
  return { result, found }
}

const expected = ({ tokens, merges, first, last, sha256 }: TrainingCase) => ({ tokens, merges, first, last, sha256 })

describe('a trained tokenizer.json is, byte for byte, what Hugging Face tokenizers saves', () => {
  it.each(recorded.cases.map((row) => [row.name, row] as const))('%s', async (_name, row) => {
    const files = writeTexts(row, folder)
    const { found, result } = await trained(row, files, 2)
    expect(found).toEqual(expected(row))
    expect(result.bytes).toBe(files.reduce((sum, path) => sum + statSync(path).size, 0))
  })

  it.skipIf(!existsSync(shakespeare)).each(recorded.shakespeare.map((row) => [row.name, row] as const))(
    '%s (needs ../shared/data)',
    async (_name, row) => {
      const { found } = await trained(row, [shakespeare], 2)
      expect(found).toEqual(expected(row))
    },
  )
})

describe('the number of threads', () => {
  it('changes no byte, where a text has several blocks and lines go across their ends', async () => {
    const row = recorded.cases.find(({ name }) => name === 'several blocks')!
    const files = writeTexts(row, folder)
    expect(statSync(files[0]!).size).toBeGreaterThan(2 * 2 ** 20)
    const words = new Set<number>()
    for (const threads of [1, 3, 64]) {
      const { found, result } = await trained(row, files, threads)
      expect(found).toEqual(expected(row))
      words.add(result.words)
    }
    expect(words.size).toBe(1)
  })

  it('changes nothing where one line is longer than a block', async () => {
    const text = `${'one two, three 4567 '.repeat(150_000)}\nend`
    await trainOn(text, { threads: 1 })
    const first = readFileSync(out)
    await trainOn(text, { threads: 4 })
    expect(readFileSync(out).equals(first)).toBe(true)
  })
})

/** Three blocks of text and two that are none. A function, since vitest prints what a test is given. */
const wrongFromThirdBlock = () => Buffer.concat([Buffer.alloc(3 * 2 ** 20, 'word\n'), Buffer.alloc(2 ** 21, 0xff)])

describe('a tokenizer is not trained, and no file is written or changed,', () => {
  it.each<[string, Uint8Array | string | (() => Uint8Array), Partial<TokenizerTraining>, RegExp]>([
    [
      'on bytes that are not UTF-8',
      Buffer.from('ab\nc\xc3\n\xff', 'latin1'),
      {},
      /own at byte 4: 0xC3 is no UTF-8; accepted: UTF-8 text$/,
    ],
    ['on half a character at the end', Buffer.from('ab\xe2\x82', 'latin1'), {}, /own at byte 2: 0xE2 is no UTF-8/],
    ['on the first of several wrong bytes', wrongFromThirdBlock, { threads: 4 }, /own at byte 3145728: /],
    [
      'for less than the bytes',
      'text',
      { vocabulary: 255 },
      /^--vocab is '255'; accepted: 256 \(256 bytes and the special tokens\) to 4194304$/,
    ],
    ['for less than bytes and special tokens', 'text', { vocabulary: 257, special: ['<a>', '<b>'] }, /accepted: 258 /],
    ['for more than ids can count', 'text', { vocabulary: 2 ** 22 + 1 }, /^--vocab is '4194305'/],
    ['with an unknown split', 'text', { split: 'qwen9' }, /^--split is 'qwen9'; accepted: a pattern, or gpt2, .*qwen2/],
    [
      'with a pattern that is none',
      'text',
      { split: '(a' },
      /^--split: tokenizer: split pattern "\(a": .*; accepted: characters, classes/,
    ],
    ['with a pattern that matches nothing at all', 'text', { split: 'a*' }, /matches the empty text/],
    [
      'with a special token twice',
      'text',
      { special: ['<a>', '<a>'] },
      /^--special is '<a>'; accepted: different texts/,
    ],
    [
      'with a first token that is not special',
      'text',
      { special: ['<a>'], bos: '<b>' },
      /^--bos is '<b>'; accepted: one of --special: <a>$/,
    ],
    ['with an empty special token', 'text', { special: [''] }, /^--special is ''/],
    ['with a letter as special token', 'text', { special: ['\u0120'] }, /^--special is '\u0120'/],
    [
      'when the texts would not come back',
      'is it it it',
      { special: ['\u0120it'] },
      /own: encoding and decoding bytes 0 to 11 does not give them back; accepted: /,
    ],
    ['on a file that is not there', 'text', { files: ['nowhere.txt'] }, /^nowhere.txt: cannot be opened \(ENOENT\)/],
    ['on a folder', 'text', { files: [tmpdir()] }, /: cannot be opened \(no regular file\)/],
  ])('%s', async (_name, bytes, more, sentence) => {
    writeFileSync(out, 'older')
    const before = readdirSync(folder).toSorted()
    await expect(trainOn(typeof bytes === 'function' ? bytes() : bytes, more)).rejects.toThrow(sentence)
    expect(readFileSync(out, 'utf8')).toBe('older')
    expect(readdirSync(folder).toSorted()).toEqual([...new Set([...before, 'cache', 'own'])].toSorted())
  })

  it('where it cannot be written', async () => {
    const place = join(folder, 'place')
    mkdirSync(place, { recursive: true })
    const file = join(folder, 'own')
    writeFileSync(file, 'text')
    await expect(trainTokenizer({ ...settings, files: [file] }, place)).rejects.toThrow(/place: cannot be written/)
    expect(readdirSync(folder).filter((name) => name.includes('partial'))).toEqual([])
  })

  it('when it is stopped', async () => {
    const signal = AbortSignal.abort()
    writeFileSync(out, 'older')
    await expect(trainOn('text', { signal })).rejects.toMatchObject({ code: 'aborted' })
    expect(readFileSync(out, 'utf8')).toBe('older')
  })
})
