import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { compile } from '../../src/compile.ts'
import { load, type Model } from '../../src/run/session.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'ck-sequences-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const goldens = join(root, 'tests/parity/goldens')

/** Odd widths in f32 and f16, blocks in q8_0; a prefill step shorter than the texts. */
describe.each([
  ['f32', join(goldens, 'llama'), 64],
  ['f16', join(goldens, 'gguf-qwen3-q8_0/model.gguf'), 64],
  ['q8_0', join(root, 'models/demo.gguf'), 256],
] as const)('a model of several sequences with caches in %s', (cache, checkpoint, context) => {
  let model: Model
  let single: Model
  beforeAll(async () => {
    const options = { cache, context, prefillTokens: 16 }
    await compile(checkpoint, { ...options, out: join(folder, `${cache}-3`), sequences: 3 })
    await compile(checkpoint, { ...options, out: join(folder, cache), context: context - 1 })
    model = await load(join(folder, `${cache}-3`))
    single = await load(join(folder, cache))
  }, 120_000)
  afterAll(async () => {
    await model?.close()
    await single?.close()
  })

  const ids = (count: number, seed: number) =>
    Array.from({ length: count }, (_, i) => (i * 37 + 11 + 53 * seed) % model.info.vocabulary)
  const lengths = [40, 23, 9]
  const alone = async (list: readonly number[], rows = list.length) => {
    const session = single.session({ threads: 1 })
    const logits = await session.logits(list, { rows })
    await session.close()
    return logits
  }

  it('computes each with the bits that a model of one sequence gives it', async () => {
    const expected = await Promise.all(lengths.map((count, seed) => alone(ids(count, seed))))
    for (const threads of [1, 2, 3]) {
      for (const mode of ['prefill', 'decode'] as const) {
        const session = model.session({ threads })
        const parts = lengths.map((count, i) => ({ sequence: session.sequence(i), ids: ids(count, i), rows: count }))
        expect(await session.appendTogether(parts, { mode })).toEqual(expected)
        await session.close()
      }
    }
  })

  it('copies a prefix with the bits of a computed one, and saves and loads it', async () => {
    const path = join(folder, `${cache}.tokens`)
    for (const [tokens, threads] of [
      [5, 1],
      [16, 2],
      [39, 3],
    ] as const) {
      const session = model.session({ threads })
      const [from, to, third] = [session.sequence(0), session.sequence(1), session.sequence(2)]
      await from.append(ids(40, 0))
      await to.append(ids(30, 1))
      to.copyFrom(from, tokens)
      await to.save(path)
      await third.append(ids(11, 2))
      await third.load(path)
      const rest = ids(12, 2)
      const expected = await alone([...ids(40, 0).slice(0, tokens), ...rest], rest.length)
      const parts = [to, third].map((sequence) => ({ sequence, ids: rest, rows: rest.length }))
      expect(await session.appendTogether(parts, { mode: 'decode' })).toEqual([expected, expected])
      const other = single.session({ threads: 2 })
      await other.load(path)
      expect(await other.append(rest, { rows: rest.length })).toEqual(expected)
      await Promise.all([session.close(), other.close()])
    }
    expect(existsSync(path)).toBe(true)
  })
})
