import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { compile, load, models } from '../../src/index.ts'
import { prepareData } from '../../src/train/data/prepareData.ts'
import { makeFreshModel, writeFreshModel } from '../../src/train/freshModel.ts'
import { trainModel } from '../../src/train/trainModel.ts'
import { seededRandom } from '../conformance/random.ts'

let folder: string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ck-train-model-'))
  // Each id follows from the one before it but for now and then.
  const random = seededRandom(5)
  const ids = Int32Array.from({ length: 6000 }, (_, i) => (random.whole(8) === 0 ? random.whole(64) : (7 * i) % 64))
  writeFileSync(join(folder, 'ids.bin.json'), JSON.stringify({ dtype: 'u16', vocabulary: 64 }))
  writeFileSync(join(folder, 'ids.bin'), new Uint8Array(Uint16Array.from(ids).buffer))
  await prepareData([join(folder, 'ids.bin')], join(folder, 'data'))
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

const size = {
  vocab: 64,
  dim: 32,
  layers: 2,
  hidden: 64,
  heads: 2,
  kvHeads: 1,
  contextLen: 32,
  init: 'xavier_uniform',
} as const

it('trains a fresh model from TypeScript, and gives it back to be compiled', async () => {
  const model = models.qwen3Tiny(size)
  const run = await compile(model, { out: join(folder, 'run'), context: 32 })
  const losses: number[] = []
  const trained = await run.train({
    data: join(folder, 'data'),
    out: join(folder, 'training'),
    ...{ steps: 60, batch: 8, length: 16, schedule: { rate: 3e-3 } },
    onStep: ({ loss }) => losses.push(loss),
  })
  expect(trained.isComplete).toBe(true)
  expect(losses).toHaveLength(60)
  expect(losses.at(-1)!).toBeLessThan(losses[0]! - 1)
  expect(trained.validation!.loss).toBeLessThan(losses[0]! - 1)
  const after = trained.open()
  const compiled = await compile(after, { out: join(folder, 'after'), context: 32 })
  const loaded = await load(compiled.dir)
  expect((await loaded.session().logits(Int32Array.of(1, 8, 15))).every(Number.isFinite)).toBe(true)
  await loaded.close()
  after.close()
  model.close()
})

it('ends with the same bits in bf16 whether it was stopped or not', async () => {
  const model = models.qwen3Tiny(size)
  const settings = { steps: 6, batch: 8, length: 16, precision: 'bf16' } as const
  const train = (name: string, stop = 0) => {
    const controller = new AbortController()
    const places = { data: join(folder, 'data'), out: join(folder, name), signal: controller.signal }
    const onStep = ({ step }: { step: number }) => {
      if (step === stop) controller.abort()
    }
    return trainModel(model, { ...places, ...settings, onStep })
  }
  const whole = await train('whole')
  expect((await train('stopped', 3)).step).toBe(3)
  const resumed = await train('stopped')
  const last = ({ dir }: { dir: string }) => readFileSync(join(dir, 'checkpoints', 'step-00000006.safetensors'))
  expect(last(resumed).equals(last(whole))).toBe(true)
  expect(last(whole).includes('.bf16')).toBe(false)
  model.close()
})

it('goes on from a checkpoint without a tokenizer by files of ids, but not by texts', async () => {
  const fresh = join(folder, 'fresh')
  writeFreshModel(fresh, makeFreshModel('llama', { ...size, kvHeads: 2 }, { seed: 1 }), {})
  const options = { steps: 2, batch: 2, length: 16 }
  const data = { files: [join(folder, 'ids.bin')] }
  const trained = await trainModel(fresh, { data, out: join(folder, 'by-ids'), ...options })
  expect([trained.step, trained.isComplete]).toEqual([2, true])
  writeFileSync(join(folder, 'text.txt'), 'to be or not to be')
  const texts = { files: [join(folder, 'text.txt')] }
  await expect(trainModel(fresh, { data: texts, out: join(folder, 'by-text'), ...options })).rejects.toThrow(
    /fresh: .*tokenizer/,
  )
})

it('refuses what a config may not say', async () => {
  const model = models.qwen3Tiny(size)
  const run = await compile(model, { out: join(folder, 'refused'), context: 32 })
  const options = { data: join(folder, 'data'), out: join(folder, 'none'), steps: 1, batch: 8 }
  await expect(run.train({ ...options, length: 4000 })).rejects.toThrow('4000')
  await expect(run.train({ ...options, lenght: 16 } as never)).rejects.toThrow("'length'")
  model.close()
})
