import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { compile } from '../../src/compile.ts'
import { load } from '../../src/run/session.ts'
import { models } from '../../src/train/models.ts'
import { breakCall } from '../engine/breakCall.ts'

const checkpoint = models.qwen3Tiny({ vocab: 67, dim: 32, layers: 3, hidden: 48, heads: 2, kvHeads: 1, contextLen: 64 })
const root = mkdtempSync(join(tmpdir(), 'ck-canaries-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

/** As many tokens as a prefill step takes, so that every buffer is full. */
const ids = Int32Array.of(3, 1, 4, 1, 5, 9, 2, 6)

async function build(name: string, debug: boolean): Promise<string> {
  const out = join(root, name)
  await compile(checkpoint, { out, context: 64, prefillTokens: ids.length, debug })
  return out
}

/** Logits of the tokens, and of some that follow one by one. */
async function read(dir: string, threads: number): Promise<Float32Array[]> {
  const model = await load(dir)
  try {
    const session = model.session({ threads })
    const found = [await session.logits(ids)]
    for (const id of [7, 11]) found.push(await session.logits(Int32Array.of(id)))
    return found
  } finally {
    await model.close()
  }
}

describe('a model built with canaries', () => {
  it('gives the bits of one without, on any number of threads, and names itself so', async () => {
    const [watched, plain] = [await build('watched', true), await build('plain', false)]
    const expected = await read(plain, 2)
    expect(await read(watched, 1)).toEqual(expected)
    expect(await read(watched, 3)).toEqual(expected)
    expect(JSON.parse(readFileSync(join(watched, 'manifest.json'), 'utf8'))).toMatchObject({ debug: true })
    expect(readFileSync(join(plain, 'model.c'), 'utf8')).not.toMatch(/canar|guard/)
  })

  it.each([
    { call: 'blk.0.attn_norm', says: "blk.0.attn_norm wrote beyond 'blk.0.attn_norm' in the forward phase of prefill" },
    {
      call: 'blk.*.attn_q_norm',
      says: /^.*blk\.0\.attn_q_norm wrote beyond 'blk\.0\..*' in the forward phase of prefill/,
    },
  ])('names the call $call that writes beyond its buffer', async ({ call, says }) => {
    const dir = await build(`broken ${call.replaceAll('*', '')}`, true)
    await breakCall(dir, call)
    await expect(read(dir, 2)).rejects.toThrow(says)
  })
})
