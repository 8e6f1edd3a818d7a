import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { optimizerDefaults } from '../../src/base/optimizers.ts'
import { decayExcept } from '../../src/passes/updateSettings.ts'
import { readModel } from '../../src/templates/readModel.ts'
import { models } from '../../src/train/models.ts'
import { compileTraining } from '../../src/train/program/compileTraining.ts'
import { loadWeights } from '../../src/train/program/loadWeights.ts'
import { Trainer } from '../../src/train/program/trainer.ts'
import { stepRates } from '../../src/train/rates.ts'
import { seededRandom } from '../conformance/random.ts'
import { breakCall } from '../engine/breakCall.ts'

const size = { batch: 2, length: 12 }
const vocab = 67
const checkpoint = models.qwen3Tiny({ vocab, dim: 24, layers: 3, hidden: 40, heads: 2, kvHeads: 1, contextLen: 16 })
const model = readModel(checkpoint, size.length)
const optimizer = optimizerDefaults.adamW
const root = mkdtempSync(join(tmpdir(), 'ck-canaries-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

async function compile(name: string, debug: boolean): Promise<string> {
  const out = join(root, name)
  const update = { optimizer, group: decayExcept(0.1, []), clip: 1 }
  await compileTraining(model, 'test', { size, out, update, debug })
  return out
}

/** Every state after some steps, and the losses. */
async function train(dir: string, threads: number) {
  const trainer = Trainer.open(dir, { threads })
  try {
    loadWeights(trainer, checkpoint, model)
    const random = seededRandom(3)
    const losses: number[] = []
    for (let step = 1; step <= 3; step++) {
      for (const name of ['ids', 'targets']) trainer.ids(name).set(trainer.ids(name).map(() => random.whole(vocab)))
      const rows = trainer.ids('positions').map((_, token) => token % size.length)
      trainer.ids('positions').set(rows)
      trainer.ids('starts').set(rows.map((position, token) => token - position))
      trainer.values('total')[0] = size.batch * size.length
      trainer.values('rates').set(stepRates(optimizer, step, 0.01))
      await trainer.run('train')
      losses.push(trainer.values('loss')[0]!)
    }
    return { losses, values: new Map(trainer.names.map((name) => [name, trainer.bytes(name).slice()])) }
  } finally {
    await trainer.close()
  }
}

describe('a training built with canaries', () => {
  it('gives the bits of one without, on any number of threads, and names itself so', async () => {
    const [watched, plain] = [await compile('watched', true), await compile('plain', false)]
    const expected = await train(plain, 2)
    expect(await train(watched, 1)).toEqual(expected)
    expect(await train(watched, 3)).toEqual(expected)
    expect(JSON.parse(readFileSync(join(watched, 'manifest.json'), 'utf8'))).toMatchObject({ debug: true })
    expect(readFileSync(join(plain, 'model.c'), 'utf8')).not.toMatch(/canar|guard/)
  })

  it.each([
    { call: 'output_norm', says: "output_norm wrote beyond 'output_norm' in the forward phase" },
    { call: 'blk.*.ffn_up', says: "blk.0.ffn_up wrote beyond 'blk.0.ffn_up' in the forward phase" },
    {
      call: 'blk.*.ffn_up.x.grad',
      says: "blk.2.ffn_up.x.grad wrote beyond 'blk.2.ffn_up.x.grad' in the backward phase",
    },
    {
      call: 'output_norm.weight.next, output_norm.weight.mean.next, output_norm.weight.square.next',
      says: "output_norm.weight.next wrote beyond 'output_norm.weight' in the update phase",
    },
  ])('names the call $call that writes beyond its buffer', async ({ call, says }) => {
    const dir = await compile(`broken ${call.replaceAll('*', '')}`, true)
    await breakCall(dir, call)
    await expect(train(dir, 2).then(({ losses }) => losses)).rejects.toThrow(says)
  })
})
