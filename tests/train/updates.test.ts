import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { type Optimizer, optimizerDefaults } from '../../src/base/optimizers.ts'
import { decayExcept } from '../../src/passes/updateSettings.ts'
import { readModel } from '../../src/templates/readModel.ts'
import { models } from '../../src/train/models.ts'
import { compileTraining } from '../../src/train/program/compileTraining.ts'
import { loadWeights } from '../../src/train/program/loadWeights.ts'
import { Trainer } from '../../src/train/program/trainer.ts'
import { stepRates } from '../../src/train/rates.ts'
import { seededRandom } from '../conformance/random.ts'

const size = { batch: 2, length: 12 }
const vocab = 67
const steps = 3
const checkpoint = models.qwen3Tiny({ vocab, dim: 32, layers: 3, hidden: 48, heads: 2, kvHeads: 1, contextLen: 16 })
const model = readModel(checkpoint, size.length)
const folders: string[] = []

/** Trains some steps and gives everything that outlives them. `isSplit`: gradients and update are programs of their own. */
async function train(
  optimizer: Optimizer,
  { isSplit, clip, threads }: { isSplit: boolean; clip: number; threads: number },
) {
  const folder = mkdtempSync(join(tmpdir(), 'ck-updates-'))
  folders.push(folder)
  const update = { optimizer, group: decayExcept(0.1, ['vector', 'embedding']), clip, average: 0.9 }
  await compileTraining(model, 'test', { size, out: folder, update, accumulates: isSplit })
  const trainer = Trainer.open(folder, { threads })
  loadWeights(trainer, checkpoint, model)
  const names = trainer.names.filter((name) => name.endsWith('.average'))
  for (const name of names) trainer.values(name).set(trainer.values(name.replace(/\.average$/, '')))
  const random = seededRandom(3)
  const norms: number[] = []
  for (let step = 1; step <= steps; step++) {
    for (const name of ['ids', 'targets']) trainer.ids(name).set(trainer.ids(name).map(() => random.whole(vocab)))
    const rows = trainer.ids('positions').map((_, token) => token % size.length)
    trainer.ids('positions').set(rows)
    trainer.ids('starts').set(rows.map((position, token) => token - position))
    trainer.values('total')[0] = size.batch * size.length
    trainer.values('rates').set(stepRates(optimizer, step, 0.01))
    for (const program of isSplit ? ['gradients', 'update'] : ['train']) await trainer.run(program)
    norms.push(trainer.values('norm')[0]!)
  }
  const kept = names.flatMap((name) => [name, name.replace(/\.average$/, '')])
  const values = new Map(kept.map((name) => [name, Buffer.from(trainer.values(name).slice().buffer)]))
  await trainer.close()
  return { values, norms }
}

afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

describe.each([optimizerDefaults.adamW, optimizerDefaults.muon])('a training program with $kind', (optimizer) => {
  it('gives equal bits in one program or in two, with one thread or with three, and changes every weight', async () => {
    const whole = await train(optimizer, { isSplit: false, clip: 0.5, threads: 1 })
    const split = await train(optimizer, { isSplit: true, clip: 0.5, threads: 3 })
    expect(whole.norms.every((norm) => norm > 0.5 && Number.isFinite(norm))).toBe(true)
    expect(split.norms).toEqual(whole.norms)
    expect(whole.values.size).toBe(2 * model.graph.weights.length)
    for (const [name, bytes] of whole.values) expect(bytes.equals(split.values.get(name)!), name).toBe(true)
    for (const { name } of model.graph.weights)
      expect(whole.values.get(name)!.equals(whole.values.get(`${name}.average`)!), name).toBe(false)
  })
})
