import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { openCheckpoint } from '../../src/formats/openCheckpoint.ts'
import { interpretLogits } from '../../src/parity/interpretModel.ts'
import { quantizeModel } from '../../src/quantize/quantizeModel.ts'
import type { RecipeName } from '../../src/quantize/recipes.ts'
import { readModel } from '../../src/templates/readModel.ts'
import { goldenNames, nmseOf, readGolden } from './golden.ts'

const dir = mkdtempSync(join(tmpdir(), 'ck-quantized-'))
afterAll(() => rmSync(dir, { recursive: true }))

/** NMSE of the logits of a golden that was written in a format, against its reference. */
async function errorOf(name: string, recipe: RecipeName): Promise<number> {
  const golden = readGolden(name)
  const path = join(dir, `${name}-${recipe}.gguf`)
  const checkpoint = openCheckpoint(golden.checkpoint)
  await quantizeModel(checkpoint, path, { recipe, threads: 1 })
  checkpoint.close()
  const written = openCheckpoint(path)
  const logits = interpretLogits(written, readModel(written), golden.ids)
  written.close()
  return nmseOf(golden.logits, logits.data)
}

describe.each(goldenNames())('%s', (name) => {
  it('keeps its logits when it is written as a GGUF file in f32', async () => {
    expect(await errorOf(name, 'f32')).toBeLessThan(1e-12)
  })
})

// The goldens are random and tiny, so that rounding costs them more than it costs trained models.
it.each([
  ['llama', 'bf16', 1e-4],
  ['llama', 'q4_k_m', 1e-6],
  ['gguf-llama-q8_0', 'q8_0', 1e-12],
  ['gguf-llama-q8_0', 'q5_1', 2e-2],
  ['gguf-llama-q4_K_m', 'q6_k', 1e-3],
  ['gguf-llama-q4_K_m', 'q5_k_m', 5e-3],
] as const)('%s in %s has logits with an NMSE below %s', async (name, recipe, bound) => {
  expect(await errorOf(name, recipe)).toBeLessThan(bound)
})
