import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { TensorType } from '../../src/ir/graph.ts'
import { type Tensor, tensor } from '../../src/ir/tensor.ts'
import { compareTrainingTrace } from '../../src/parity/compareTraining.ts'
import { stepInputs } from '../../src/parity/stepInputs.ts'
import { readModel } from '../../src/templates/readModel.ts'
import { weightTensor } from '../../src/templates/weightRows.ts'
import { models } from '../../src/train/models.ts'
import { loadWeights } from '../../src/train/program/loadWeights.ts'
import { Trainer } from '../../src/train/program/trainer.ts'
import {
  compileTrainingTrace,
  firstNonFinite,
  readTraced,
  type TrainingTrace,
} from '../../src/train/program/trainingTrace.ts'

const folder = mkdtempSync(join(tmpdir(), 'ck-trace-'))
const shape = { vocab: 53, dim: 24, layers: 2, hidden: 40, heads: 3, kvHeads: 1, headDim: 8, contextLen: 16 }
const checkpoint = models.qwen3Tiny(shape)
const batch = [0, 1].map((row) => Array.from({ length: 9 }, (_, i) => (7 * i + 11 * row) % shape.vocab))
const model = readModel(checkpoint, batch[0]!.length)
const inputs = stepInputs(batch)
let trace: TrainingTrace
let trainer: Trainer

beforeAll(async () => {
  trace = await compileTrainingTrace(model, 'test', { size: { batch: 2, length: 9 }, out: join(folder, 'trace') })
  trainer = Trainer.open(trace.dir, { threads: 2 })
  for (const [name, { data }] of Object.entries(inputs)) {
    if (!trainer.has(name)) continue
    if (name === 'total') trainer.values(name).set(data)
    else trainer.ids(name).set(data)
  }
})

afterAll(async () => {
  await trainer.close()
  rmSync(folder, { recursive: true, force: true })
})

/** Compares what lies in the memory, of which `change` may make something else. */
function compare(change: (name: string, value: Tensor) => Tensor = (_, value) => value) {
  const read = (name: string, { shape: dims }: TensorType) =>
    change(name, readTraced(trainer, trace.traced, name, dims.map(Number)))
  const given = (name: string, { shape: dims }: TensorType) => {
    const weight = model.graph.weights.find((candidate) => candidate.name === name)
    return weight ? weightTensor(checkpoint, model, weight.sources, dims.map(Number)) : inputs[name]!
  }
  return compareTrainingTrace({ graph: trace.traced.graph, read, given })
}

describe('the trace of a training step', () => {
  it('has every value of forward and backward half, each within the tolerance of its op', async () => {
    loadWeights(trainer, checkpoint, model)
    expect(await firstNonFinite(trainer, trace.traced)).toBeUndefined()
    const rows = compare()
    expect(rows.map(({ value }) => value)).toEqual(
      trace.traced.graph.nodes.flatMap(({ outputs }) => Object.values(outputs)),
    )
    expect(rows.filter(({ isWithin }) => !isWithin)).toEqual([])
    expect(Math.max(...rows.map(({ gathered }) => gathered!.nmse))).toBeLessThan(1e-8)
  })

  it('names the op whose value is wrong in one element, and those alone that are wrong themselves', () => {
    const wrong = 'blk.1.ffn_down.weight.grad'
    const spoil = ({ shape: dims, data }: Tensor) => {
      const error = 1e-3 * Math.max(...data.map(Math.abs))
      return tensor(
        dims,
        data.map((value, i) => (i === 77 ? value + error : value)),
      )
    }
    const rows = compare((name, value) => (name === wrong ? spoil(value) : value))
    expect(rows.filter(({ isWithin }) => !isWithin).map(({ op, value }) => [op, value])).toEqual([['matmul', wrong]])
  })

  it.each([
    ['blk.0.attn_k.weight', 5, Number.NaN, 'blk.0.attn_k'],
    ['blk.1.ffn_down.weight', 9, Number.POSITIVE_INFINITY, 'blk.1.ffn_residual'],
  ])('finds what an element of %s spoils', async (weight, at, bad, value) => {
    loadWeights(trainer, checkpoint, model)
    trainer.values(weight)[at] = bad
    expect(await firstNonFinite(trainer, trace.traced)).toMatchObject({ value, op: 'matmul', weight })
  })
})
