import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { openCheckpoint } from '../../src/formats/openCheckpoint.ts'
import { interpretLogits } from '../../src/parity/interpretModel.ts'
import { quantizeModel } from '../../src/quantize/quantizeModel.ts'
import { readModel } from '../../src/templates/readModel.ts'
import { goldenNames, nmseOf, readGolden } from './golden.ts'

const dir = mkdtempSync(join(tmpdir(), 'ck-converted-'))
afterAll(() => rmSync(dir, { recursive: true }))

const folders = goldenNames().filter((name) => !readGolden(name).checkpoint.endsWith('.gguf'))

it.each(folders)('%s written as a GGUF file of f32 gives the reference logits', async (name) => {
  const golden = readGolden(name)
  const out = join(dir, `${name}.gguf`)
  const folder = openCheckpoint(golden.checkpoint)
  await quantizeModel(folder, out, { recipe: 'f32', threads: 1 })
  folder.close()
  const file = openCheckpoint(out)
  const logits = interpretLogits(file, readModel(file), golden.ids)
  file.close()
  // GGUF files hold eps and theta as f32.
  expect(nmseOf(golden.logits, logits.data)).toBeLessThan(1e-11)
})
