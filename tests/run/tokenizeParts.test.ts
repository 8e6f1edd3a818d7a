import { copyFileSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { compileContract } from '../../src/chat/compileContract.ts'
import { renderContract } from '../../src/chat/contract.ts'
import { randomTurns } from '../../src/chat/randomTurns.ts'
import { openCheckpoint } from '../../src/formats/openCheckpoint.ts'
import { load, type Model } from '../../src/run/session.ts'
import { compileTokenizer, readTokenizer } from '../../src/tokenizer/tokenizer.ts'
import { templateOf } from '../chat/templates.ts'
import { scratchFolder, writeWeights } from '../engine/fixture.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const vocabularies = join(root, '../shared/data/vocab')
const folder = scratchFolder()
const models: Model[] = []
let library: string

beforeAll(() => {
  library = folder.build(join(folder.path, 'libmodel.so'))
})
afterAll(async () => {
  await Promise.all(models.map((model) => model.close()))
  folder.remove()
})

/** A model whose tokenizer is that of a GGUF file. */
async function withTokenizerOf(path: string): Promise<Model> {
  const dir = join(folder.path, `model${models.length}`)
  mkdirSync(dir)
  copyFileSync(library, join(dir, 'libmodel.so'))
  const checkpoint = openCheckpoint(path)
  try {
    const tables = compileTokenizer(readTokenizer(checkpoint.description, path)!)
    writeWeights(join(dir, 'weights.bump'), { tables })
  } finally {
    checkpoint.close()
  }
  writeFileSync(join(dir, 'manifest.json'), '{}')
  const model = await load(dir)
  models.push(model)
  return model
}

const cases: readonly [name: string, path: string, endOfTurn: string][] = [
  ['the demo model', join(root, 'models/demo.gguf'), '<|endoftext|>'],
  ['starcoder', join(vocabularies, 'ggml-vocab-starcoder.gguf'), '<|endoftext|>'],
  ['phi-3', join(vocabularies, 'ggml-vocab-phi-3.gguf'), '<|end|>'],
  ['llama-spm', join(vocabularies, 'ggml-vocab-llama-spm.gguf'), '</s>'],
]

describe('a text in parts', () => {
  for (const [name, path, endOfTurn] of cases) {
    const reason = existsSync(path) ? '' : ' (needs ../shared/data)'
    it.skipIf(reason !== '')(`has the ids of the whole text, in the vocabulary of ${name}${reason}`, async () => {
      const model = await withTokenizerOf(path)
      for (const template of ['markers', 'headers']) {
        const tokens = { bosToken: endOfTurn, eosToken: endOfTurn }
        const shape = compileContract(templateOf(template), tokens).contract!.shapes.on!
        for (let seed = 1; seed <= 20; seed++) {
          const parts = renderContract(shape, randomTurns(seed, { hasSystem: true }), () => '7 March')
          const whole = model.tokenize(parts.map(({ text }) => text).join(''), { special: true })
          const ids = model.tokenizeParts(parts.map(({ text, isMarker }) => ({ text, special: isMarker })))
          expect([...ids], `seed ${seed}`).toEqual([...whole])
        }
      }
      const said = (isSpecial: boolean) => model.tokenizeParts([{ text: `a${endOfTurn}b`, special: isSpecial }])
      expect([...said(true)]).toEqual([...model.tokenize(`a${endOfTurn}b`, { special: true })])
      expect([...said(false)]).toEqual([...model.tokenize(`a${endOfTurn}b`)])
      expect(said(false).length).toBeGreaterThan(said(true).length)
      // A special token lies in one part.
      const cut = [endOfTurn.slice(0, 2), endOfTurn.slice(2)].map((text) => ({ text, special: true }))
      expect([...model.tokenizeParts(cut)]).toEqual([...model.tokenize(endOfTurn)])
      expect([...model.tokenizeParts([])]).toEqual([])
    })
  }

  const spm = join(vocabularies, 'ggml-vocab-llama-spm.gguf')
  it.skipIf(!existsSync(spm))('that goes on with another is no start of a text (needs ../shared/data)', async () => {
    const model = await withTokenizerOf(spm)
    const parts = [{ text: 'Hello', special: false }]
    const start = model.tokenizeParts(parts)
    const rest = model.tokenizeParts(parts, { continues: true })
    expect([...rest]).not.toEqual([...start])
  })
})
