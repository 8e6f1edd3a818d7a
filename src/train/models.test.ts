import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { nmseOf } from '../../tests/parity/golden.ts'
import { compile, load, models } from '../index.ts'
import { interpretLogits } from '../parity/interpretModel.ts'
import { readModel } from '../templates/readModel.ts'
import { freshFamilies } from './freshModel.ts'
import { modelFamilies } from './init/modelFamilies.ts'

const dir = mkdtempSync(join(tmpdir(), 'ck-models-'))
afterAll(() => rmSync(dir, { recursive: true }))

describe('models', () => {
  it('has every family of which fresh models are made', () => {
    expect([...modelFamilies].toSorted()).toEqual([...freshFamilies].toSorted())
  })

  it('gives what compile takes as it takes a path', async () => {
    const sizes = { vocab: 61, dim: 32, layers: 2, hidden: 48, heads: 4, kvHeads: 2, contextLen: 32 }
    const model = models.qwen3Tiny({ ...sizes, init: 'xavier_uniform', seed: 5 })
    const ids = [1, 60, 7, 7, 0]
    const expected = interpretLogits(model, readModel(model), ids)
    await compile(model, { out: join(dir, 'run'), target: 'scalar' })
    const built = await load(join(dir, 'run'))
    const session = built.session({ threads: 2 })
    expect(nmseOf(expected.data, await session.logits(ids))).toBeLessThan(1e-11)
    await session.close()
    await built.close()
    model.close()
  })

  it('has small sizes of its own for qwen3Tiny', () => {
    expect(models.qwen3Tiny().tensors.get('model.embed_tokens.weight')?.shape).toEqual([512, 64])
  })

  it('tells checkpoints apart by their fingerprints', () => {
    const prints = [1, 1, 2].map((seed) => models.gpt2({ vocab: 20, dim: 16, layers: 1, seed }).fingerprint())
    expect(prints[0]).toBe(prints[1])
    expect(prints[0]).not.toBe(prints[2])
  })
})
