import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { DataOptions, DataPart } from '../../src/train/data/dataInfo.ts'
import { DataSet } from '../../src/train/data/dataSet.ts'
import { type DataTokenizer, openDataTokenizer } from '../../src/train/data/openDataTokenizer.ts'
import { prepareData } from '../../src/train/data/prepareData.ts'
import { demo, hasData, data as sharedData } from '../cli/ck.ts'
import { seededRandom } from '../conformance/random.ts'

const dir = mkdtempSync(join(tmpdir(), 'ck-prepare-'))
afterAll(() => rmSync(dir, { recursive: true, force: true }))

const { signal } = new AbortController()
let tokenizer: DataTokenizer
beforeAll(async () => {
  const template = { path: 'chatml.jinja', text: chatml }
  tokenizer = await openDataTokenizer(demo, { template, signal })
})

const chatml =
  "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"

let made = 0
function fileOf(name: string, content: string | Uint8Array): string {
  const folder = join(dir, `in${made++}`)
  mkdirSync(folder)
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}

const prepared = async (paths: readonly string[], options: Partial<DataOptions> = {}, withTokenizer = true) => {
  const out = join(dir, `out${made++}`)
  const info = await prepareData(paths, out, { options, ...(withTokenizer ? { tokenizer } : {}) })
  return { out, info }
}

function documentsOf(folder: string, part: DataPart) {
  const data = DataSet.open(folder)
  const file = data.part(part)
  const all = [...file.documents()].map(({ start, tokens }) => file.read(start, tokens))
  data.close()
  return all
}

const textsOf = (folder: string, part: DataPart) =>
  documentsOf(folder, part).map(({ ids }) => tokenizer.tokenizer.decode([...ids], { special: true }))

/** A copy of a data set that says that its ids are of another tokenizer. */
function fakedTokenizer(folder: string): string {
  const copy = join(dir, `copy${made++}`)
  cpSync(folder, copy, { recursive: true })
  const path = join(copy, 'data.json')
  writeFileSync(path, readFileSync(path, 'utf8').replace(/"sha256": "[0-9a-f]{4}/, '"sha256": "0000'))
  return copy
}

const refusal = (paths: readonly string[], options: Partial<DataOptions> = {}) =>
  prepared(paths, options).then(
    () => 'prepared',
    (error: Error) => error.message,
  )

describe('preparing plain text', () => {
  it('cuts running text at the share of its bytes, between characters', async () => {
    const text = 'aü世🎈 '.repeat(40)
    const { out, info } = await prepared([fileOf('a.txt', text)], { validation: 0.3 })
    const [train, validation] = [textsOf(out, 'train'), textsOf(out, 'validation')]
    expect([train.length, validation.length]).toEqual([1, 1])
    expect(train[0]! + validation[0]!).toBe(text)
    expect(train[0]).not.toContain('\uFFFD')
    const cut = Math.floor(Buffer.byteLength(text) * 0.7)
    expect(cut - info.train.bytes).toBeGreaterThanOrEqual(0)
    expect(cut - info.train.bytes).toBeLessThan(4)
  })

  it('keeps documents whole, drops empty, repeated and long ones, and says which', async () => {
    const texts = ['one', 'two', ' ', 'one', 'a long one', 'three', 'four']
    const path = fileOf('a.txt', texts.join('\n--\n'))
    const { out, info } = await prepared([path], { separator: '\n--\n', validation: 0.3, longest: 6 })
    expect(textsOf(out, 'train')).toEqual(['one', 'two', 'three'])
    expect(textsOf(out, 'validation')).toEqual(['four'])
    expect(info.findings).toEqual({
      empty: { count: 1, documents: 1, first: ['a.txt at byte 14'] },
      duplicates: { count: 1, documents: 1, first: ['a.txt at byte 19'] },
      long: { count: 1, documents: 1, first: ['a.txt at byte 26'] },
    })
  })

  it('draws documents for validation by what they say, whatever their order', async () => {
    const random = seededRandom(3)
    const texts = Array.from({ length: 400 }, (_, i) => `document ${i} ${random.whole(1e6)}`)
    const options = { separator: '\n', split: 'documents', validation: 0.25, seed: '7' } as const
    const first = await prepared([fileOf('a.txt', texts.join('\n'))], options)
    const other = await prepared([fileOf('b.txt', texts.toReversed().join('\n'))], options)
    const validation = textsOf(first.out, 'validation')
    expect(validation.length).toBeGreaterThan(60)
    expect(validation.length).toBeLessThan(140)
    expect(textsOf(other.out, 'validation').toSorted()).toEqual(validation.toSorted())
    const all = [...textsOf(first.out, 'train'), ...validation]
    expect(all.toSorted()).toEqual(texts.toSorted())
    const reseeded = await prepared([fileOf('a.txt', texts.join('\n'))], { ...options, seed: '8' })
    expect(textsOf(reseeded.out, 'validation')).not.toEqual(validation)
  })

  it('gives the same bytes again, wherever the files lie', async () => {
    const bytes = Buffer.concat([
      Buffer.from('first\0 text\nsecond “text”\n'),
      Buffer.from([0xff]),
      Buffer.from('last\n'),
    ])
    const options = { separator: '\n', invalid: 'repair', ascii: true, validation: 0.3 } as const
    const [one, two] = [
      await prepared([fileOf('a.txt', bytes)], options),
      await prepared([fileOf('a.txt', bytes)], options),
    ]
    const names = readdirSync(one.out)
    expect(names.toSorted()).toEqual(['data.json', 'tokenizer.bin', 'train.bin', 'validation.bin'])
    for (const name of names) expect(readFileSync(join(two.out, name)), name).toEqual(readFileSync(join(one.out, name)))
    expect(readFileSync(join(one.out, 'data.json'), 'utf8')).not.toContain(dir)
    expect(Object.keys(one.info.findings)).toEqual(['invalid', 'controls', 'folded', 'unfoldable'])
  })

  it('puts special tokens around documents where asked', async () => {
    const path = fileOf('a.txt', 'one\ntwo')
    const options = { separator: '\n', validation: 0.5 }
    const eos = tokenizer.tokenizer.eos
    const { out } = await prepared([path], { ...options, endToken: true })
    const [document] = documentsOf(out, 'train')
    expect([document!.ids.at(-1), document!.ids.filter((id) => id === eos).length]).toEqual([eos, 1])
    const special = await prepared([path], { ...options, addSpecial: true })
    expect(textsOf(special.out, 'train')[0]).toBe('<|endoftext|>one')
  })

  it.skipIf(!hasData)('of Shakespeare validates on its last twentieth (needs ../shared/data)', async () => {
    const { info } = await prepared([join(sharedData, 'tinyshakespeare.txt')])
    expect(info.findings).toEqual({})
    expect(info.train.bytes).toBe(1_059_624)
    expect(info.validation).toMatchObject({ documents: 1, tokens: 18_945, lossTokens: 18_945, bytes: 55_770 })
  })
})

describe('preparing lines of JSON', () => {
  const line = (...contents: readonly string[]) =>
    JSON.stringify({ messages: contents.map((content, i) => ({ role: i % 2 ? 'assistant' : 'user', content })) })

  it('learns of conversations the answers only', async () => {
    const path = fileOf('a.jsonl', `${line('Hi', 'Hello there', 'Why?', 'So')}\n{"text": "plain"}\n${line('x', 'y')}\n`)
    const { out, info } = await prepared([path], { validation: 0.08 })
    const [chat, plain] = documentsOf(out, 'train')
    const decode = (ids: readonly number[]) => tokenizer.tokenizer.decode(ids, { special: true })
    const learnt = (wanted: number) => decode([...chat!.ids].filter((_, i) => chat!.loss[i] === wanted))
    expect(learnt(1)).toBe('Hello there<|im_end|>So<|im_end|>')
    expect(learnt(0)).toBe(
      '<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n\n<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\n\n',
    )
    expect(plain!.loss.every((bit) => bit === 1)).toBe(true)
    expect(info.validation.lossTokens).toBeLessThan(info.validation.tokens)
  })

  it.each([
    ['{"text": 1}', "'text' is 1; accepted: a text"],
    ['{"text": "a"', 'the line is not JSON'],
    ['[1]', 'the line is an array of 1 items; accepted'],
    ['{"txt": "a"}', "the line has neither 'text' nor 'messages'"],
    ['{"text": "a", "messages": []}', "the line has both 'text' and 'messages'"],
    ['{"messages": []}', "'messages' ends without an answer"],
    [
      '{"messages": [{"role": "tool", "content": "a"}]}',
      'the role of message 1 is "tool"; accepted: system, user, assistant',
    ],
    ['{"messages": [{"role": "user"}]}', 'the content of message 1 is missing'],
    [
      '{"messages": [{"role": "user", "content": "a", "name": "b"}]}',
      "message 1 has a field 'name', which would be lost",
    ],
    ['{"messages": [{"role": "assistant", "content": "a"}]}', "message 1 is of role 'assistant'"],
    ['{"messages": [{"role": "user", "content": "a"}]}', "'messages' ends without an answer"],
    ['{"text": "a\\ud800"}', 'half of a surrogate pair'],
  ])('refuses the line %s', async (text, sentence) => {
    const path = fileOf('a.jsonl', `{"text": "fine"}\n${text}\n`)
    const message = await refusal([path])
    expect(message).toContain(`${path}:2: `)
    expect(message).toContain(sentence)
    expect(message).not.toContain('\n')
  })
})

describe('preparing ids', () => {
  const ids = [5, 6, 0, 7, 0, 8, 9, 10, 0, 11, 0]
  const bare = (type: 'u16' | 'u32', extra: object, values: readonly number[] = ids) => {
    const array = type === 'u16' ? Uint16Array.from(values) : Uint32Array.from(values)
    const path = fileOf('a.bin', new Uint8Array(array.buffer))
    writeFileSync(`${path}.json`, JSON.stringify({ dtype: type, vocabulary: 12, ...extra }))
    return path
  }

  it.each(['u16', 'u32'] as const)('of type %s with and without a separator', async (type) => {
    const cut = await prepared([bare(type, { separator: 0 })], { validation: 0.2 }, false)
    expect(documentsOf(cut.out, 'train').map((one) => [...one.ids])).toEqual([
      [5, 6, 0],
      [7, 0],
      [8, 9, 10, 0],
    ])
    expect(documentsOf(cut.out, 'validation').map((one) => [...one.ids])).toEqual([[11, 0]])
    const running = await prepared([bare(type, {})], { validation: 0.5 }, false)
    expect(documentsOf(running.out, 'train').map((one) => [...one.ids])).toEqual([ids.slice(0, 5)])
    expect(documentsOf(running.out, 'validation').map((one) => [...one.ids])).toEqual([ids.slice(5)])
  })

  it('takes data sets again, with what is learnt of them', async () => {
    const chat = {
      messages: [
        { role: 'user', content: 'a' },
        { role: 'assistant', content: 'b' },
      ],
    }
    const text = fileOf('a.jsonl', `${JSON.stringify(chat)}\n{"text": "second"}\n{"text": "third"}\n`)
    const first = await prepared([text], { validation: 0.4 })
    const again = await prepared([first.out], { validation: 0 })
    expect(documentsOf(again.out, 'train')).toEqual([
      ...documentsOf(first.out, 'train'),
      ...documentsOf(first.out, 'validation'),
    ])
    await expect(prepareData([first.out, fakedTokenizer(first.out)], join(dir, 'mixed'))).rejects.toThrow(
      /its ids are of another tokenizer; accepted: ids of the same tokenizer$/,
    )
    expect(again.info.train.lossTokens).toBe(first.info.train.lossTokens + first.info.validation.lossTokens)
  })

  it('refuses what is no such file', async () => {
    expect(await refusal([bare('u16', {}, [1, 12])])).toMatch(
      /a\.bin at byte 2: token id 12; accepted: ids from 0 to 11/,
    )
    expect(await refusal([bare('u16', { vocabulary: 5000 }, [1, 4999])])).toMatch(
      /token 1 has id 4999; accepted: .* 2047$/,
    )
    expect(await refusal([bare('u16', { dtype: 'u8' })])).toMatch(/'dtype' is "u8"; accepted: u16, u32/)
    expect(await refusal([bare('u16', { separator: 12 })])).toMatch(/'separator' is 12/)
    expect(await refusal([fileOf('a.bin', 'abc')])).toMatch(/bare ids, and nothing says of which type/)
    const odd = bare('u32', {})
    writeFileSync(odd, 'abc')
    expect(await refusal([odd])).toMatch(/the file has 3 bytes; accepted: a multiple of 4/)
  })
})

describe('preparing refuses', () => {
  it('what leaves nothing to train on, or to validate with', async () => {
    expect(await refusal([fileOf('a.txt', '')])).toMatch(/nothing is left to train on/)
    expect(await refusal([fileOf('a.txt', 'one\ntwo')], { separator: '\n', validation: 0.01 })).toMatch(
      /no document falls to validation; accepted: more documents, a larger --validation, or --validation 0$/,
    )
  })

  it('bytes that are no UTF-8, text without tokenizer, conversations without template', async () => {
    const path = fileOf('a.txt', Buffer.from([0x61, 0xff]))
    expect(await refusal([path])).toBe(
      `${path} at byte 1: a byte that is no UTF-8; accepted: text in UTF-8, or --invalid repair`,
    )
    await expect(prepared([fileOf('a.txt', 'a')], {}, false)).rejects.toThrow(/has no tokenizer/)
    const plain = await openDataTokenizer(demo, { signal })
    const chat = fileOf(
      'a.jsonl',
      '{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}',
    )
    await expect(prepareData([chat], join(dir, 'none'), { tokenizer: plain })).rejects.toThrow(/has no chat template/)
  })

  it('to replace what is no data set, and leaves an earlier one where it fails', async () => {
    const folder = join(dir, 'mine')
    mkdirSync(folder)
    writeFileSync(join(folder, 'thesis.txt'), 'x')
    const text = fileOf('a.txt', 'some words of text')
    await expect(prepareData([text], folder, { tokenizer })).rejects.toThrow(/something else than a data set is there/)
    const out = join(dir, 'twice')
    await prepareData([text], out, { tokenizer, options: { validation: 0.5 } })
    const before = readFileSync(join(out, 'train.bin'))
    await expect(prepareData([fileOf('a.txt', ' ')], out, { tokenizer })).rejects.toThrow(/nothing is left/)
    expect(readFileSync(join(out, 'train.bin'))).toEqual(before)
    await prepareData([text], out, { tokenizer, options: { validation: 0 } })
    expect(readFileSync(join(out, 'train.bin'))).not.toEqual(before)
    expect(readdirSync(dir).filter((name) => name.includes('partial'))).toEqual([])
  })
})
