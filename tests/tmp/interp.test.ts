import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { execFileSync } from 'node:child_process'
import { openCheckpoint } from '../../src/formats/openCheckpoint.ts'
import { interpretLogits } from '../../src/parity/interpretModel.ts'
import { readModel } from '../../src/templates/readModel.ts'
import { build, nmseOf, readGolden } from '../parity/golden.ts'
import { quantizeModel } from '../../src/quantize/quantizeModel.ts'
const names = (process.env.NAMES ?? 'gemma,gemma2,gemma2-uncapped,gemma3,gemma3-v4,olmo2,olmo2-tied-biased,glm4,glm4-plain,glm').split(',')
it.each(names)('%s', async (name) => {
  const golden = readGolden(name)
  const nmse = (path: string) => {
  const checkpoint = openCheckpoint(path)
  const logits = interpretLogits(checkpoint, readModel(checkpoint), golden.ids)
  checkpoint.close()
  return nmseOf(golden.logits, logits.data)
  }
  const out = join(mkdtempSync(join(tmpdir(), 'ck-q-')), 'm.gguf')
  const c = openCheckpoint(golden.checkpoint)
  await quantizeModel(c, out, { recipe: 'f32' } as never)
  c.close()
  const line = [name, nmse(golden.checkpoint), nmse(out)]
  if (process.env.RUN) {
    const model = await build(golden.checkpoint, { strict: true })
    const s = model.session({ threads: 2 })
    const p = await s.logits(golden.ids)
    line.push(nmseOf(golden.logits, p))
    expect(await s.logits(golden.ids, { mode: 'decode' })).toEqual(p)
  }
  process.stderr.write(line.join(' ') + '\n')
}, 100000)
