import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import { writeBump } from '../../formats/bump.ts'
import { openDataTokenizer } from './openDataTokenizer.ts'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const demo = join(root, 'models/demo.gguf')
const folder = join(root, '../shared/models/demo-transformers')
const dir = mkdtempSync(join(tmpdir(), 'ck-tokenizer-'))
afterAll(() => rmSync(dir, { recursive: true, force: true }))

const { signal } = new AbortController()
const parts = [
  { text: '<|endoftext|>', special: true },
  { text: 'Hello <|endoftext|> wörld', special: false },
]

describe('the tokenizer of a data set', () => {
  it('is the same of a checkpoint and of the run folder that has its tables', async () => {
    const { tokenizer, tables, sha256, chat } = await openDataTokenizer(demo, { signal })
    expect(chat).toBeUndefined()
    writeFileSync(join(dir, 'manifest.json'), '{}')
    writeBump(join(dir, 'weights.bump'), {
      ...{ weightsId: new Uint8Array(32), weightsBytes: 4, weights: [new Uint8Array(4)], tokenizer: tables },
    })
    const built = await openDataTokenizer(dir, { signal })
    expect(built.sha256).toBe(sha256)
    expect(built.tokenizer.encodeParts(parts)).toEqual(tokenizer.encodeParts(parts))
  })

  it('takes special tokens where parts say so', async () => {
    const { tokenizer } = await openDataTokenizer(demo, { signal })
    const ids = tokenizer.encodeParts(parts)
    expect(ids[0]).toBe(tokenizer.eos)
    expect(ids.filter((id) => id === tokenizer.eos).length).toBe(1)
    expect(tokenizer.decode([...ids], { special: true })).toBe(parts.map(({ text }) => text).join(''))
    expect(tokenizer.encodeParts([]).length).toBe(0)
    expect([...tokenizer.encodeParts([parts[1]!])]).toEqual(tokenizer.encode(parts[1]!.text, {}))
  })

  it.skipIf(!existsSync(folder))('is found in a folder and in a tokenizer.json (needs ../shared/models)', async () => {
    const inFolder = (await openDataTokenizer(folder, { signal })).tokenizer
    const ids = inFolder.encodeParts(parts)
    expect(inFolder.decode([...ids], { special: true })).toBe(parts.map(({ text }) => text).join(''))
    const { tokenizer } = await openDataTokenizer(join(folder, 'tokenizer.json'), { signal })
    expect(tokenizer.encodeParts(parts)).toEqual(ids)
  })
})
