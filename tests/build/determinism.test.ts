import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, it } from 'vitest'
import { compile } from '../../src/compile.ts'

const scratch = mkdtempSync(join(tmpdir(), 'ck-twice-'))
const options = { context: 64, prefillTokens: 16 }
const checkpoint = fileURLToPath(new URL('../parity/goldens/gguf-qwen3-q8_0/model.gguf', import.meta.url))

afterAll(() => rmSync(scratch, { recursive: true, force: true }))

/** SHA-256 of every file of a folder by its path. */
function contentsOf(dir: string): { [file: string]: string } {
  const files = readdirSync(dir, { recursive: true, encoding: 'utf8' }).filter((file) =>
    statSync(join(dir, file)).isFile(),
  )
  const hash = (file: string) =>
    createHash('sha256')
      .update(readFileSync(join(dir, file)))
      .digest('hex')
  return Object.fromEntries(files.toSorted().map((file) => [file, hash(file)]))
}

it('a model that is built twice, in folders of different names, is the same in every byte', async () => {
  const [first, second] = ['a', 'a-folder-with-a-longer-name'].map((name) => join(scratch, name))
  await compile(checkpoint, { out: first!, ...options })
  // From nothing: no object that was compiled in another folder serves it.
  process.env.CK_CACHE = join(scratch, 'cache')
  await compile(checkpoint, { out: second!, ...options })
  const contents = contentsOf(first!)
  expect(contentsOf(second!)).toEqual(contents)
  expect(Object.keys(contents)).toEqual(
    expect.arrayContaining(['libmodel.so', 'manifest.json', 'model', 'model.c', 'weights.bump']),
  )
})

it('no text in a run folder names this machine or this day', () => {
  const dir = join(scratch, 'a')
  const texts = Object.keys(contentsOf(dir)).filter((file) => /\.(json|c|h)$|Makefile$/.test(file))
  const today = new Date().toISOString().slice(0, 10)
  for (const file of texts) {
    const text = readFileSync(join(dir, file), 'utf8')
    for (const told of [scratch, process.cwd(), today]) expect(text.includes(told), `${file} has ${told}`).toBe(false)
  }
})
