import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Ck, openCk } from './ck.ts'

let ck: Ck
let text: string
beforeAll(() => {
  ck = openCk()
  text = join(ck.folder, 'text.txt')
  writeFileSync(text, 'the cat, the hat and the bat\n'.repeat(9))
})
afterAll(() => ck.remove())

const read = (path: string) =>
  JSON.parse(readFileSync(path, 'utf8')) as {
    added_tokens: { id: number; content: string }[]
    model: { vocab: Record<string, number>; merges: string[][] }
  }

describe('ck tokenizer train', () => {
  it('writes tokenizer.json where it is run, and says what came of it', async () => {
    const { code, stdout, stderr } = await ck(['tokenizer', 'train', text, '--vocab', '260'], {
      cwd: ck.folder,
    })
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toBe('tokenizer.json: 260 tokens, 4 merges of 261 B with 8 distinct words\n')
    expect(read(join(ck.folder, 'tokenizer.json')).model.merges).toEqual([
      ['a', 't'],
      ['h', 'e'],
      ['t', 'he'],
      ['\u0120', 'the'],
    ])
  })

  it('takes files, special tokens, a split and a least frequency, and says when there is no further pair', async () => {
    const out = join(ck.folder, 'all.json')
    const { code, stdout, stderr } = await ck.here([
      ...['tokenizer', 'train', text, text, '--vocab', '400', '-o', out, '--json', '-t', '3'],
      ...['--special', '<s>,</s>', '--special', '<pad>', '--split', '\\w+|\\W', '--min-frequency', '30'],
    ])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(JSON.parse(stdout)).toEqual({ path: out, vocabulary: 262, merges: 3, bytes: 522, words: 8 })
    const { added_tokens, model } = read(out)
    expect(added_tokens.map(({ id, content }) => `${id} ${content}`)).toEqual(['0 <s>', '1 </s>', '2 <pad>'])
    expect(Object.keys(model.vocab).length).toBe(262)
    const plain = await ck.here(['tokenizer', 'train', text, '--vocab', '400', '-o', out, '--min-frequency', '30'])
    expect(plain.code).toBe(0)
    expect(plain.stderr).toBe('ck: 256 of 400 tokens: the texts have no further pair that stands there 30 times\n')
  })

  it.each([
    [['tokenizer', 'train', '--vocab', '300'], /^ck: missing required argument 'files'; .*\n$/],
    [['tokenizer', 'train', 'a.txt'], /^ck: required option '--vocab <count>' not specified; .*\n$/],
    [['tokenizer', 'train', 'a.txt', '--vocab', '1e3'], /^ck: --vocab is '1e3'; accepted: a whole number .*\n$/],
    [['tokenizer', 'train', 'a.txt', '--vocab', '10'], /^ck: --vocab is '10'; accepted: 256 .* to 4194304\n$/],
    [['tokenizer', 'train', 'a.txt', '--vocab', '300', '--split', 'no'], /^ck: --split is 'no'; accepted: .*\n$/],
    [['tokenizer', 'train', 'a.txt', '--vocab', '300', '--special', 'a,,b'], /^ck: --special is 'a,,b'; .*\n$/],
    [['tokenizer', 'learn'], /^ck: unknown command 'learn'.*\n$/],
  ])('%j is refused with code 2 and one sentence', async (parameters, sentence) => {
    const { code, stdout, stderr } = await ck.here(parameters)
    expect(stderr).toMatch(sentence)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
  })

  it('refuses text that is not UTF-8 with its place, and writes nothing', async () => {
    const bad = join(ck.folder, 'bad.txt')
    const out = join(ck.folder, 'none.json')
    writeFileSync(bad, Buffer.from([0x61, 0x0a, 0xff]))
    const { code, stderr } = await ck.here(['tokenizer', 'train', text, bad, '--vocab', '300', '-o', out])
    expect(stderr).toBe(`ck: ${bad} at byte 2: 0xFF is no UTF-8; accepted: UTF-8 text\n`)
    expect(code).toBe(1)
    expect(existsSync(out)).toBe(false)
  })
})
