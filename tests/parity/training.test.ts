import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Checkpoint } from '../../src/formats/checkpoint.ts'
import { openCheckpoint } from '../../src/formats/openCheckpoint.ts'
import { type Tensor, tensor } from '../../src/ir/tensor.ts'
import { compareTensors } from '../../src/parity/difference.ts'
import { interpretGradients } from '../../src/parity/interpretGradients.ts'
import { storedGradients } from '../../src/parity/storedGradients.ts'
import { gradientName } from '../../src/passes/differentiate.ts'
import { type Model, readModel } from '../../src/templates/readModel.ts'
import { compileTraining } from '../../src/train/program/compileTraining.ts'
import { loadWeights } from '../../src/train/program/loadWeights.ts'
import { Trainer } from '../../src/train/program/trainer.ts'
import { goldenNames, readGolden } from './golden.ts'

/** Of a gradient in f32 to that in float64, which tests/parity/gradients.test.ts compares with PyTorch's. */
const bound = 1e-8

/** A gradient of this share of the largest is rounding: a bias of keys without turns moves all scores of a row alike. */
const nothing = 1e-6

const names = goldenNames().filter((name) => !name.startsWith('gguf-') && !name.endsWith('-v4'))

describe.each(names)('the training program of %s', (name) => {
  const folder = mkdtempSync(join(tmpdir(), 'ck-training-'))
  let checkpoint: Checkpoint
  let model: Model
  let ids: readonly (readonly number[])[]
  const trainers: Trainer[] = []

  const open = async (threads: number) => {
    const trainer = Trainer.open(folder, { threads })
    trainers.push(trainer)
    loadWeights(trainer, checkpoint, model)
    const [length] = [ids[0]!.length]
    trainer.ids('ids').set(ids.flat())
    trainer.ids('targets').set(ids.flatMap((row) => [...row.slice(1), -1]))
    if (trainer.has('positions')) trainer.ids('positions').set(ids.flatMap((row) => row.map((_, at) => at)))
    if (trainer.has('starts')) trainer.ids('starts').set(ids.flatMap((row, at) => row.map(() => at * length)))
    trainer.values('total')[0] = ids.length * (length - 1)
    await trainer.run('gradients')
    return trainer
  }

  const gradientsOf = (trainer: Trainer): ReadonlyMap<string, Tensor> =>
    new Map(
      model.graph.weights.flatMap(({ name: weight, type }) => {
        if (!trainer.has(gradientName(weight))) return []
        const shape = type.shape.map(Number)
        const count = shape.reduce((product, dim) => product * dim, 1)
        return [
          [weight, tensor(shape, Float64Array.from(trainer.values(gradientName(weight)).subarray(0, count)))] as const,
        ]
      }),
    )

  beforeAll(async () => {
    const { checkpoint: path } = readGolden(name)
    ids = JSON.parse(readFileSync(join(path, 'gradients.json'), 'utf8')).ids
    checkpoint = openCheckpoint(path)
    model = readModel(checkpoint, ids[0]!.length)
    await compileTraining(model, name, { size: { batch: ids.length, length: ids[0]!.length }, out: folder })
  })

  afterAll(async () => {
    for (const trainer of trainers) await trainer.close()
    checkpoint.close()
    rmSync(folder, { recursive: true, force: true })
  })

  it('gives the loss and the gradients of float64, and the same bits with any number of threads', async () => {
    const first = await open(1)
    const expected = interpretGradients(checkpoint, model, ids)
    expect(Math.abs(first.values('loss')[0]! / expected.loss - 1)).toBeLessThan(1e-6)
    const found = storedGradients(checkpoint, model, gradientsOf(first))
    expect([...found.keys()].toSorted()).toEqual([...expected.tensors.keys()].toSorted())
    const sizeOf = ({ data }: Tensor) => Math.sqrt(data.reduce((sum, value) => sum + value * value, 0))
    const largest = Math.max(...[...expected.tensors.values()].map(sizeOf))
    for (const [weight, gradient] of expected.tensors) {
      if (sizeOf(gradient) < nothing * largest)
        expect(sizeOf(found.get(weight)!), weight).toBeLessThan(nothing * largest)
      else expect(compareTensors(gradient, found.get(weight)!).nmse, weight).toBeLessThan(bound)
    }
    const second = await open(3)
    for (const [weight, { data }] of gradientsOf(first))
      expect(gradientsOf(second).get(weight)!.data, weight).toEqual(data)
    expect(second.values('loss')[0]).toBe(first.values('loss')[0])
    await second.run('evaluate')
    expect(Math.abs(second.values('loss')[0]! / first.values('loss')[0]! - 1)).toBeLessThan(1e-7)
  })
})
