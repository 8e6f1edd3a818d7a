import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { afterAll, describe, expect, it } from 'vitest'
import type { Json } from '../../src/formats/checkpoint.ts'
import { openCheckpoint } from '../../src/formats/openCheckpoint.ts'
import { compileTokenizer, readTokenizer } from '../../src/tokenizer/tokenizer.ts'
import { addSpecial, buildDriver, parseSpecial } from './driver.ts'

// Made by oracles/tokenizer.py with Hugging Face tokenizers.
const golden = new URL('golden/', import.meta.url).pathname
const root = new URL('../../', import.meta.url).pathname
const sharedDemo = `${root}../shared/models/demo-transformers`

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

  it.skipIf(!existsSync(sharedDemo))('has the same tables from tokenizer.json (needs ../shared/models)', () => {
    const gguf = tokenizerOf(`${root}models/demo.gguf`)
    const json = tokenizerOf(sharedDemo)
    // Only the GGUF file asks for BOS.
    expect(json.addBos).toBe(false)
    expect(compileTokenizer({ ...json, addBos: true })).toEqual(compileTokenizer(gguf))
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
