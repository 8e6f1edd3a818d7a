import { readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Ck, data, demo, hasData, openCk } from './ck.ts'

let ck: Ck
beforeAll(() => {
  ck = openCk()
})
afterAll(() => ck.remove())

const text = ' Hello wörld, 1234 <|endoftext|>\n\n🎈 こ\u0301  end '

/** The compiled tokenizers of the cache: one that is compiled again is another file. */
function libraries(): readonly number[] {
  const dir = join(ck.cache, 'tokenizer')
  const names = readdirSync(dir).filter((name) => name.endsWith('.so'))
  return names.map((name) => statSync(join(dir, name)).ino)
}

describe('ck tokenize', () => {
  it('turns a text into ids and back, through arguments and files', async () => {
    const { code, stdout, stderr } = await ck.here(['tokenize', demo, '--text', text])
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout).toMatch(/^\d+( \d+)+\n$/)
    const compiled = libraries()
    const list = join(ck.folder, 'ids.txt')
    writeFileSync(list, stdout)
    const file = join(ck.folder, 'text.txt')
    writeFileSync(file, text)
    const [fromFile, back, backFromFile] = await Promise.all([
      ck.here(['tokenize', demo, '--file', file, '--json']),
      ck.here(['tokenize', demo, '--decode', '--text', stdout.trim().replaceAll(' ', ',')]),
      ck.here(['tokenize', demo, '--decode', '--file', list, '--json']),
    ])
    expect(JSON.parse(fromFile.stdout)).toEqual({ ids: stdout.trim().split(' ').map(Number) })
    expect(back.stdout).toBe(`${text}\n`)
    expect(JSON.parse(backFromFile.stdout)).toEqual({ text })
    expect(compiled.length).toBeGreaterThan(0)
    expect(libraries()).toEqual(compiled)
  })

  it('takes special tokens as text or as themselves', async () => {
    const idsOf = async (...more: string[]) =>
      JSON.parse((await ck.here(['tokenize', demo, '--text', 'a<|endoftext|>', '--json', ...more])).stdout)
        .ids as number[]
    const [plain, special, added] = await Promise.all([
      idsOf(),
      idsOf('--special'),
      idsOf('--special', '--add-special'),
    ])
    expect(plain.length).toBeGreaterThan(2)
    expect(special).toEqual([plain[0], 0])
    expect(added).toEqual([0, ...special])
    const shown = await ck.here(['tokenize', demo, '--decode', '--text', added.join(), '--special'])
    expect(shown.stdout).toBe('<|endoftext|>a<|endoftext|>\n')
    const hidden = await ck.here(['tokenize', demo, '--decode', '--text', added.join()])
    expect(hidden.stdout).toBe('a\n')
  })

  it('takes empty text and empty lists', async () => {
    expect((await ck.here(['tokenize', demo, '--text', '', '--json'])).stdout).toBe('{"ids":[]}\n')
    expect((await ck.here(['tokenize', demo, '--text', '', '--decode', '--json'])).stdout).toBe('{"text":""}\n')
  })

  it('refuses ids outside the vocabulary', async () => {
    const { code, stderr } = await ck.here(['tokenize', demo, '--decode', '--text', '1,2048'])
    expect(stderr).toMatch(/^ck: token id 2048 at position 1 is outside the vocabulary; .*\n$/)
    expect(code).toBe(1)
  })

  it.skipIf(!hasData)('reads vocabularies without weights (needs ../shared/data)', async () => {
    const vocabulary = (name: string) => join(data, 'vocab', `ggml-vocab-${name}.gguf`)
    const [spm, bpe, bert] = await Promise.all(
      ['llama-spm', 'gpt-2', 'bert-bge'].map((name) =>
        ck.here(['tokenize', vocabulary(name), '--text', 'Hello world']),
      ),
    )
    expect(spm!.stdout).toBe('15043 3186\n')
    expect(bpe!.stdout).toBe('15496 995\n')
    expect(bert!.stdout).toBe('7592 2088\n')
  })
})
