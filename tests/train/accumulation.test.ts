import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { optimizerDefaults } from '../../src/base/optimizers.ts'
import { trainingPrograms } from '../../src/passes/trainingPrograms.ts'
import { decayExcept } from '../../src/passes/updateSettings.ts'
import { type Model, readModel } from '../../src/templates/readModel.ts'
import { modelFamilies } from '../../src/train/init/modelFamilies.ts'
import { models } from '../../src/train/models.ts'
import { compileTraining } from '../../src/train/program/compileTraining.ts'
import { loadWeights } from '../../src/train/program/loadWeights.ts'
import { Trainer } from '../../src/train/program/trainer.ts'
import { stepRates } from '../../src/train/rates.ts'
import { seededRandom } from '../conformance/random.ts'

const [rows, length, vocab] = [4, 12, 67]
const optimizer = optimizerDefaults.adamW
const root = mkdtempSync(join(tmpdir(), 'ck-accumulation-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

type Checkpoint = Parameters<typeof loadWeights>[1]

/** The losses of some steps on the same rows in so many parts, and every weight after them. */
async function train(model: Model, checkpoint: Checkpoint, parts: number, threads = 2) {
  const out = mkdtempSync(join(root, `${parts}-`))
  const batch = rows / parts
  const update = { optimizer, group: decayExcept(0.1, []), clip: 1 }
  await compileTraining(model, 'test', { size: { batch, length }, out, update, accumulates: parts > 1, debug: true })
  const trainer = Trainer.open(out, { threads })
  loadWeights(trainer, checkpoint, model)
  const random = seededRandom(5)
  const losses: number[] = []
  const positions = Array.from({ length: batch * length }, (_, token) => token % length)
  for (let step = 1; step <= 4; step++) {
    const draw = () => Array.from({ length: rows * length }, () => random.whole(vocab))
    const [ids, targets] = [draw(), draw().map((target, at) => (at % 5 === 0 ? -1 : target))]
    trainer.values('rates').set(stepRates(optimizer, step, 0.01))
    trainer.values('total')[0] = targets.filter((target) => target >= 0).length
    let loss = 0
    for (let part = 0; part < parts; part++) {
      const own = [part * batch * length, (part + 1) * batch * length] as const
      trainer.ids('ids').set(ids.slice(...own))
      trainer.ids('targets').set(targets.slice(...own))
      trainer.ids('positions').set(positions)
      trainer.ids('starts').set(positions.map((position, token) => token - position))
      await trainer.run(parts === 1 ? 'train' : part === 0 ? 'gradients' : 'accumulate')
      loss += trainer.values('loss')[0]!
    }
    if (parts > 1) await trainer.run('update')
    losses.push(loss)
  }
  const weights = new Map(model.graph.weights.map(({ name }) => [name, trainer.values(name).slice()]))
  await trainer.close()
  return { losses, weights }
}

describe('steps in micro-batches', () => {
  it.each(['llama', 'starcoder2', 'gpt2', 'gemma3', 'qwen35'] as const)(
    'leave the weights of %s with the bits of whole steps',
    async (family) => {
      const checkpoint = models[family]({
        vocab,
        dim: 32,
        layers: 2,
        hidden: 48,
        heads: 2,
        contextLen: 16,
        tied: false,
      })
      const model = readModel(checkpoint, length)
      const whole = await train(model, checkpoint, 1)
      for (const [parts, threads] of [
        [2, 3],
        [4, 1],
      ] as const) {
        const { losses, weights } = await train(model, checkpoint, parts, threads)
        for (const [name, values] of whole.weights) expect(weights.get(name), `${name}, ${parts} parts`).toEqual(values)
        for (const [step, loss] of losses.entries()) expect(loss).toBeCloseTo(whole.losses[step]!, 5)
      }
    },
  )

  it.each(modelFamilies)('go on with every gradient of %s in its bytes, however much is kept', (family) => {
    const sizes = { vocab, dim: 32, layers: 4, hidden: 48, heads: 2, contextLen: 16 }
    const update = { optimizer, group: decayExcept(0, []) }
    for (const tied of [false, true])
      for (const kept of ['all', 'inputs'] as const) {
        const { graph } = readModel(models[family]({ ...sizes, tied }), length)
        const options = { size: { batch: 2, length }, update, accumulates: true, kept: () => kept }
        const { graphs, trainable } = trainingPrograms(graph, options)
        const sums = new Set(trainable.map((weight) => `${weight}.grad`))
        expect(graphs.accumulate!.states.filter(({ name }) => sums.has(name))).toHaveLength(sums.size)
      }
  })

  it('agree within rounding where a table is the head too', async () => {
    const checkpoint = models.qwen3Tiny({ vocab, dim: 32, hidden: 48, heads: 2, contextLen: 16, tied: true })
    const model = readModel(checkpoint, length)
    const [whole, parts] = [await train(model, checkpoint, 1), await train(model, checkpoint, 2)]
    for (const [name, values] of whole.weights)
      values.forEach((value, at) => {
        expect(Math.abs(value - parts.weights.get(name)![at]!), name).toBeLessThan(1e-4)
      })
  })
})
