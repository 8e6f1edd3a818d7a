import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import type { Json } from '../../src/formats/checkpoint.ts'
import { openCheckpoint } from '../../src/formats/openCheckpoint.ts'
import { readJsonTokenizer } from '../../src/tokenizer/readJsonTokenizer.ts'
import { compileTokenizer, readTokenizer } from '../../src/tokenizer/tokenizer.ts'
import { trainTokenizer } from '../../src/train/tokenizer/trainTokenizer.ts'
import { addSpecial, buildDriver, parseSpecial } from './driver.ts'

// Made by oracles/tokenizer.py with Hugging Face tokenizers.
const golden = new URL('golden/', import.meta.url).pathname
const root = new URL('../../', import.meta.url).pathname
const shakespeare = `${root}../shared/data/tinyshakespeare.txt`

interface Lines {
  readonly texts: readonly string[]
  readonly ids: readonly number[][]
  readonly special: readonly number[][]
  readonly decoded: readonly string[]
}

const built = buildDriver()
afterAll(() => built.close())

const read = <T>(name: string) => JSON.parse(readFileSync(golden + name, 'utf8')) as T

function tokenizerOf(path: string) {
  const checkpoint = openCheckpoint(path)
  try {
    return readTokenizer(checkpoint.description, path)!
  } finally {
    checkpoint.close()
  }
}

describe('the demo model', () => {
  const lines = read<Lines>('demo.json')

  it('gives the recorded ids and text through its GGUF file', () => {
    const driver = built.open(compileTokenizer(tokenizerOf(`${root}models/demo.gguf`)))
    expect(driver.encode(lines.texts, parseSpecial)).toEqual(lines.ids)
    expect(driver.decode(lines.ids, false).map(String)).toEqual(lines.decoded)
  })

  it('gives their ids with what stands around texts', () => {
    const driver = built.open(compileTokenizer(tokenizerOf(`${root}models/demo.gguf`)))
    expect(driver.encode(lines.texts, parseSpecial | addSpecial)).toEqual(lines.special)
  })

  it.skipIf(!existsSync(shakespeare))('has the tables that its text gives (needs ../shared/data)', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'ck-golden-'))
    try {
      const path = join(folder, 'tokenizer.json')
      const special = ['<|endoftext|>']
      const training = { files: [shakespeare], vocabulary: 2048, split: 'qwen2', special, bos: special[0]! }
      await trainTokenizer({ ...training, minFrequency: 0, threads: 2 }, path)
      const trained = readJsonTokenizer({ tokenizer: JSON.parse(readFileSync(path, 'utf8')) }, path)
      const { eos: _, ends: __, ...shipped } = tokenizerOf(`${root}models/demo.gguf`)
      expect(trained).toMatchObject({ ...shipped, path: trained.path })
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
})

for (const name of readdirSync(golden).filter((file) => file !== 'demo.json')) {
  it(`gives the recorded ids and text of a tokenizer.json of kind ${name.replace('.json', '')}`, () => {
    const { tokenizer, lines } = read<{ tokenizer: Json; lines: Lines }>(name)
    const contract = readTokenizer({ format: 'transformers', config: {}, tokenizer }, name)!
    const driver = built.open(compileTokenizer(contract))
    expect(driver.encode(lines.texts, parseSpecial)).toEqual(lines.ids)
    expect(driver.encode(lines.texts, parseSpecial | addSpecial)).toEqual(lines.special)
    expect(driver.decode(lines.ids, false).map(String)).toEqual(lines.decoded)
  })
}
