import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { numberToBfloat16, roundToBfloat16 } from '../../src/base/halfFloats.ts'
import { type Optimizer, optimizerDefaults } from '../../src/base/optimizers.ts'
import type { Precision } from '../../src/base/precisions.ts'
import { resolveTarget } from '../../src/build/targets.ts'
import type { Checkpoint } from '../../src/formats/checkpoint.ts'
import { interpret } from '../../src/ir/interpret.ts'
import { mapTensor, type Tensor, tensor } from '../../src/ir/tensor.ts'
import { ops } from '../../src/ops/registry.ts'
import { compareTensors } from '../../src/parity/difference.ts'
import { gradientName } from '../../src/passes/differentiate.ts'
import type { Kept } from '../../src/passes/recompute.ts'
import { trainingPrograms } from '../../src/passes/trainingPrograms.ts'
import { decayExcept } from '../../src/passes/updateSettings.ts'
import { type Model, readModel } from '../../src/templates/readModel.ts'
import { weightTensor } from '../../src/templates/weightRows.ts'
import { parseTrainConfig } from '../../src/train/config/loadTrainConfig.ts'
import { models } from '../../src/train/models.ts'
import { compileTraining, planTraining } from '../../src/train/program/compileTraining.ts'
import { loadWeights } from '../../src/train/program/loadWeights.ts'
import { Trainer } from '../../src/train/program/trainer.ts'
import { stepRates } from '../../src/train/rates.ts'
import { seededRandom } from '../conformance/random.ts'

const [rows, length, vocab] = [4, 12, 67]
const size = { vocab, dim: 32, layers: 2, hidden: 48, heads: 2, contextLen: 16 }
const updateBy = (optimizer: Optimizer) => ({ optimizer, group: decayExcept(0.1, ['vector']), clip: 1 })
const root = mkdtempSync(join(tmpdir(), 'ck-precision-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

function open(checkpoint: Checkpoint): { checkpoint: Checkpoint; model: Model } {
  return { checkpoint, model: readModel(checkpoint, length) }
}

/** Rows in which each id follows from the one before it, but for some. */
function batchOf(step: number, count = rows): { ids: number[]; targets: number[] } {
  const random = seededRandom(100 + step)
  const all = Array.from({ length: count }, () => {
    let id = random.whole(vocab)
    return Array.from({ length: length + 1 }, () => {
      id = random.whole(8) === 0 ? random.whole(vocab) : (7 * id + 1) % vocab
      return id
    })
  })
  const targets = all.flatMap((row) => row.slice(1)).map((target, at) => (at % 5 === 0 ? -1 : target))
  return { ids: all.flatMap((row) => row.slice(0, -1)), targets }
}

interface Run {
  readonly precision: Precision
  readonly steps: number
  readonly optimizer?: Optimizer
  /** The learning rate. */
  readonly rate?: number
  readonly threads?: number
  /** Micro-batches of a step. */
  readonly parts?: number
  readonly memory?: number
  /** The step behind which all that outlives a step goes to another trainer. */
  readonly stop?: number
}

/** The losses of some steps, and every weight after them. */
async function train({ checkpoint, model }: ReturnType<typeof open>, run: Run) {
  const { precision, steps, rate = 0.01, threads = 2, parts = 1, memory, optimizer = optimizerDefaults.adamW } = run
  const out = mkdtempSync(join(root, 'train-'))
  const batch = rows / parts
  const debug = parts > 1
  const settings = { update: updateBy(optimizer), accumulates: parts > 1, precision, debug }
  const options = { size: { batch, length }, out, ...settings }
  await compileTraining(model, 'test', memory === undefined ? options : { ...options, memory })
  let trainer = Trainer.open(out, { threads })
  loadWeights(trainer, checkpoint, model)
  await trainer.refresh()
  const losses: number[] = []
  const positions = Array.from({ length: batch * length }, (_, token) => token % length)
  for (let step = 1; step <= steps; step++) {
    const { ids, targets } = batchOf(step)
    trainer.values('rates').set(stepRates(optimizer, step, rate))
    trainer.values('total')[0] = targets.filter((target) => target >= 0).length
    let loss = 0
    for (let part = 0; part < parts; part++) {
      const own = [part * batch * length, (part + 1) * batch * length] as const
      trainer.ids('ids').set(ids.slice(...own))
      trainer.ids('targets').set(targets.slice(...own))
      if (trainer.has('positions')) trainer.ids('positions').set(positions)
      trainer.ids('starts').set(positions.map((position, token) => token - position))
      await trainer.run(parts === 1 ? 'train' : part === 0 ? 'gradients' : 'accumulate')
      loss += trainer.values('loss')[0]!
    }
    if (parts > 1) await trainer.run('update')
    losses.push(loss)
    if (step === run.stop) trainer = await handOver(trainer, out, model)
  }
  const weights = new Map(model.graph.weights.map(({ name }) => [name, trainer.values(name).slice()]))
  for (const [name, values] of weights) {
    if (!trainer.has(`${name}.bf16`)) continue
    const copy = new Uint8Array(Uint16Array.from(values, numberToBfloat16).buffer)
    expect(trainer.bytes(`${name}.bf16`).subarray(0, copy.length), name).toEqual(copy)
    expect(() => trainer.values(`${name}.bf16`)).toThrow(/bf16'; accepted: what is in f32, and not in bf16/)
  }
  await trainer.close()
  return { losses, weights }
}

/** Another trainer that goes on from what a checkpoint has of this one: weights and what the optimizer keeps, in f32. */
async function handOver(trainer: Trainer, out: string, model: Model): Promise<Trainer> {
  const next = Trainer.open(out, { threads: 3 })
  for (const { name } of model.graph.weights)
    for (const state of ['', '.mean', '.square'].map((ending) => `${name}${ending}`))
      if (trainer.has(state)) next.values(state).set(trainer.values(state))
  await trainer.close()
  await next.refresh()
  return next
}

const qwen3 = open(models.qwen3Tiny({ ...size, kvHeads: 1 }))

describe('a training that stores in bf16', () => {
  it('follows the losses of one in f32 over 40 steps', async () => {
    const run = { steps: 40, rate: 2e-3 }
    const wide = await train(qwen3, { ...run, precision: 'f32' })
    const narrow = await train(qwen3, { ...run, precision: 'bf16' })
    expect(wide.losses.at(-1)!).toBeLessThan(wide.losses[0]! - 1)
    expect(narrow.losses).not.toEqual(wide.losses)
    for (const [step, loss] of wide.losses.entries())
      expect(Math.abs(narrow.losses[step]! - loss), `loss of step ${step}`).toBeLessThan(2e-2)
  })

  it.each([optimizerDefaults.muon, optimizerDefaults.lion])('keeps to f32 with $kind', async (optimizer) => {
    const run = { steps: 6, rate: 1e-3, optimizer }
    const [wide, narrow] = [
      await train(qwen3, { ...run, precision: 'f32' }),
      await train(qwen3, { ...run, precision: 'bf16' }),
    ]
    for (const [step, loss] of wide.losses.entries()) expect(Math.abs(narrow.losses[step]! - loss)).toBeLessThan(2e-2)
  })

  it.each(['qwen3', 'gpt2', 'qwen35'] as const)(
    'gives %s equal bits with any number of threads, in micro-batches, behind a stop, and with little memory',
    async (family) => {
      const opened = open(models[family]({ ...size, tied: false }))
      const usual = { precision: 'bf16', steps: 4 } as const
      const whole = await train(opened, { ...usual, threads: 1 })
      const target = resolveTarget('native')
      const update = updateBy(optimizerDefaults.adamW)
      const sized = { size: { batch: rows, length }, update, precision: 'bf16' } as const
      const { memoryBytes } = planTraining(opened.model, 'test', target, sized).source.plan
      const few: readonly Partial<Run>[] = [{ parts: 2, threads: 3, stop: 2 }, { memory: memoryBytes - 4096 }]
      const ways = family === 'qwen3' ? [...few, { threads: 2 }, { threads: 3 }, { parts: 4 }, { stop: 2 }] : few
      for (const way of ways) {
        const { weights } = await train(opened, { ...usual, ...way })
        for (const [name, values] of whole.weights)
          expect(weights.get(name), `${name}, ${JSON.stringify(way)}`).toEqual(values)
      }
    },
  )
})

/** What a program with the gradients of one batch gives. */
async function gradientsOf(
  { checkpoint, model }: ReturnType<typeof open>,
  precision: Precision,
): Promise<{ loss: number; evaluated: number; gradients: ReadonlyMap<string, Tensor>; trainable: readonly string[] }> {
  const out = mkdtempSync(join(root, 'gradients-'))
  const { trainable } = await compileTraining(model, 'test', { size: { batch: rows, length }, out, precision })
  const trainer = Trainer.open(out, { threads: 2 })
  loadWeights(trainer, checkpoint, model)
  await trainer.refresh()
  for (const [name, { data }] of Object.entries(inputs()))
    if (trainer.has(name))
      name === 'total' ? trainer.values(name).set(data) : trainer.ids(name).set(Int32Array.from(data))
  await trainer.run('gradients')
  const loss = trainer.values('loss')[0]!
  const gradients = new Map(
    trainable.map((weight) => {
      const shape = model.graph.weights.find(({ name }) => name === weight)!.type.shape.map(Number)
      const count = shape.reduce((product, dim) => product * dim, 1)
      return [weight, tensor(shape, Float64Array.from(trainer.values(gradientName(weight)).subarray(0, count)))]
    }),
  )
  await trainer.run('evaluate')
  const evaluated = trainer.values('loss')[0]!
  await trainer.close()
  return { loss, evaluated, gradients, trainable }
}

function inputs(): { readonly [input: string]: Tensor } {
  const { ids, targets } = batchOf(0)
  const positions = ids.map((_, token) => token % length)
  const perToken = (values: readonly number[]) => tensor([values.length], values)
  return {
    ids: perToken(ids),
    targets: perToken(targets),
    positions: perToken(positions),
    starts: perToken(positions.map((position, token) => token - position)),
    total: tensor([1, 1], [targets.filter((target) => target >= 0).length]),
  }
}

/** The most that a gradient may be from that in float64 over the same roundings: a sum in f32 may turn one to the other side. */
const ofSame = 1e-6

/**
 * From that in f32. Each rounding to 8 bits leaves 2^-18 / 3 of a square, and some ten of them lie behind a gradient; one of few
 * numbers that nearly cancel has more.
 */
const ofWide = { all: 1e-4, each: 2e-3 }

describe.each(['qwen3', 'gemma2', 'phi3', 'gpt2', 'qwen35'] as const)('the gradients of %s in bf16', (family) => {
  it('are those of float64 over the same roundings, and near those in f32', async () => {
    const opened = open(models[family]({ ...size, layers: family === 'qwen35' ? 4 : 2 }))
    const [narrow, wide] = [await gradientsOf(opened, 'bf16'), await gradientsOf(opened, 'f32')]
    expect(narrow.evaluated).toBe(narrow.loss)
    expect(Math.abs(narrow.loss - wide.loss)).toBeLessThan(1e-3)
    const exact = gradientsInDouble(opened, narrow.trainable)
    // What is made again is made of what is stored.
    for (const kept of ['products', 'inputs'] as const)
      expect(gradientsInDouble(opened, narrow.trainable, kept)).toEqual(exact)
    const all = { narrow: [] as number[], wide: [] as number[] }
    for (const [weight, gradient] of narrow.gradients) {
      expect(compareTensors(exact.get(gradientName(weight))!, gradient).nmse, weight).toBeLessThan(ofSame)
      const expected = wide.gradients.get(weight)!
      expect(compareTensors(expected, gradient).nmse, weight).toBeLessThan(ofWide.each)
      all.wide.push(...expected.data)
      all.narrow.push(...gradient.data)
    }
    const whole = (values: readonly number[]) => tensor([values.length], values)
    expect(compareTensors(whole(all.wide), whole(all.narrow)).nmse).toBeLessThan(ofWide.all)
  })
})

/** The outputs of the same graph, casts included, in float64. */
function gradientsInDouble(
  { checkpoint, model }: ReturnType<typeof open>,
  trainable: readonly string[],
  kept: Kept = 'all',
) {
  const { graphs } = trainingPrograms(model.graph, {
    size: { batch: rows, length },
    precision: 'bf16',
    isFrozen: (weight) => !trainable.includes(weight),
    kept: () => kept,
  })
  const given = inputs()
  return interpret(graphs.gradients!, ops, {
    given(name, { shape }) {
      const weight = model.graph.weights.find((candidate) => candidate.name === name.replace(/\.bf16$/, ''))
      if (!weight) return given[name]!
      const values = weightTensor(checkpoint, model, weight.sources, shape.map(Number))
      return weight.name === name ? values : mapTensor(values, roundToBfloat16)
    },
  })
}

describe('what a training in bf16 takes', () => {
  it('is little more than half for what the backward half reads', () => {
    const { model } = open(models.qwen3Tiny({ ...size, vocab: 128, dim: 64, hidden: 192, layers: 12, contextLen: 64 }))
    const activationsOf = (precision: Precision) => {
      const of = { size: { batch: 8, length: 64 }, precision }
      const { buffers } = planTraining(model, 'test', resolveTarget('x86-64-v4'), of).source.plan
      const all = buffers.gradients!.filter(({ region }) => region === 'activation')
      const begin = Math.min(...all.map(({ offset }) => offset))
      return Math.max(...all.map(({ offset, bytes }) => offset + bytes)) - begin
    }
    const share = activationsOf('bf16') / activationsOf('f32')
    expect(share).toBeLessThan(0.62)
  })

  it('is refused by another name than those there are', () => {
    const text = '{model: {template: qwen3}, data: {prepared: data}, train: {steps: 1, precision: f16}}'
    expect(() => parseTrainConfig('config.yaml', text)).toThrow(
      /^config\.yaml:\d+:\d+: 'train\.precision' is "f16"; accepted: .*f32.*$/,
    )
  })
})
