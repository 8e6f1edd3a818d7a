import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { optimizerDefaults } from '../../src/base/optimizers.ts'
import type { Checkpoint } from '../../src/formats/checkpoint.ts'
import { openCheckpoint } from '../../src/formats/openCheckpoint.ts'
import { decayExcept, type UpdateSettings } from '../../src/passes/updateSettings.ts'
import { type Model, readModel } from '../../src/templates/readModel.ts'
import { compileTraining } from '../../src/train/program/compileTraining.ts'
import { loadWeights } from '../../src/train/program/loadWeights.ts'
import { Trainer } from '../../src/train/program/trainer.ts'
import { stepRates } from '../../src/train/rates.ts'

const goldens = fileURLToPath(new URL('goldens/', import.meta.url))

/** What oracles/train/record.py writes of a run of torch.optim.AdamW. */
interface RecordedRun {
  readonly run: {
    readonly betas: readonly [number, number]
    readonly eps: number
    readonly weightDecay: number
    readonly decayed: 'all' | 'matrices'
    readonly clip: number
    readonly rows: number
    readonly microBatches: number
    readonly targets: string
    readonly steps: number
  }
  readonly every: number
  readonly losses: readonly number[]
  readonly gradientNorms: readonly number[]
  /** Of the recorded steps. */
  readonly rates: readonly number[]
  readonly lastLoss: number
}

/** The most that a loss may be from PyTorch's: over 40 steps, and over 1,000. */
const bounds = { short: 1e-4, long: 1e-2 }

/** Tensors of 32-bit integers of a safetensors file. */
function readData(): ReadonlyMap<string, Int32Array> {
  const bytes = readFileSync(join(goldens, 'data.safetensors'))
  const begin = 8 + Number(bytes.readBigUInt64LE())
  const header: Readonly<Record<string, { data_offsets?: [number, number] }>> = JSON.parse(
    bytes.toString('utf8', 8, begin),
  )
  return new Map(
    Object.entries(header).flatMap(([name, { data_offsets: [from, to] = [0, 0] }]) =>
      to > from
        ? [[name, new Int32Array(new Uint8Array(bytes.subarray(begin + from, begin + to)).buffer)] as const]
        : [],
    ),
  )
}

/** The learning rate of a step, counted from 0, as the oracle has it. */
function rateOf(run: RecordedRun['run'] & { schedule?: unknown; learningRate?: number }, step: number): number {
  const { kind, warmup = 0, least = 0 } = run.schedule as { kind: string; warmup?: number; least?: number }
  const most = run.learningRate!
  if (step < warmup) return (most * (step + 1)) / warmup
  if (kind === 'constant') return most
  const past = (step - warmup) / (run.steps - warmup)
  return most * (least + (1 - least) * 0.5 * (1 + Math.cos(Math.PI * past)))
}

describe.each(['qwen3', 'gpt2'])('a training of %s', (name) => {
  const folder = mkdtempSync(join(tmpdir(), 'ck-drift-'))
  const runs: Readonly<Record<string, RecordedRun>> = JSON.parse(
    readFileSync(join(goldens, name, 'training.json'), 'utf8'),
  )
  const data = readData()
  let checkpoint: Checkpoint
  let model: Model

  beforeAll(() => {
    checkpoint = openCheckpoint(join(goldens, name))
    model = readModel(checkpoint, 32)
  })

  afterAll(() => {
    checkpoint.close()
    rmSync(folder, { recursive: true, force: true })
  })

  const train = async ({ run }: RecordedRun, threads = 2) => {
    const [length, rows] = [32, run.rows / run.microBatches]
    const [beta1, beta2] = run.betas
    const update: UpdateSettings = {
      optimizer: { ...optimizerDefaults.adamW, beta1, beta2, eps: run.eps },
      group: decayExcept(run.weightDecay, run.decayed === 'all' ? [] : ['vector']),
      clip: run.clip,
    }
    const accumulates = run.microBatches > 1
    const settings = { size: { batch: rows, length }, update, accumulates }
    const { dir } = await compileTraining(model, name, {
      ...settings,
      out: join(folder, `${rows}-${accumulates}-${run.decayed}`),
    })
    const trainer = Trainer.open(dir, { threads })
    loadWeights(trainer, checkpoint, model)
    const [ids, targets] = [data.get('ids')!, data.get(run.targets)!]
    const losses: number[] = []
    const norms: number[] = []
    for (let step = 0; step < run.steps; step++) {
      const taken = Array.from({ length: run.rows }, (_, row) => (step * run.rows + row) % (ids.length / length))
      const rowsOf = (values: Int32Array, part: number) =>
        taken
          .slice(part * rows, (part + 1) * rows)
          .flatMap((row) => [...values.subarray(row * length, (row + 1) * length)])
      const parts = Array.from({ length: run.microBatches }, (_, part) => part)
      const counted = parts.flatMap((part) => rowsOf(targets, part)).filter((target) => target >= 0).length
      trainer.values('rates').set(stepRates(update.optimizer, step + 1, rateOf(run, step)))
      let loss = 0
      for (const part of parts) {
        trainer.ids('ids').set(rowsOf(ids, part))
        trainer.ids('targets').set(rowsOf(targets, part))
        if (trainer.has('positions'))
          trainer.ids('positions').set(Array.from({ length: rows * length }, (_, i) => i % length))
        trainer.ids('starts').set(Array.from({ length: rows * length }, (_, i) => i - (i % length)))
        trainer.values('total')[0] = counted
        await trainer.run(accumulates ? (part === 0 ? 'gradients' : 'accumulate') : 'train')
        loss += trainer.values('loss')[0]!
      }
      if (accumulates) await trainer.run('update')
      losses.push(loss)
      norms.push(trainer.values('norm')[0]!)
    }
    await trainer.close()
    return { losses, norms }
  }

  it.each(['constant', 'cosine', 'accumulated', 'long'])('keeps to the losses of PyTorch: %s', async (kind) => {
    const recorded = runs[kind]!
    const { losses, norms } = await train(recorded)
    const bound = kind === 'long' ? bounds.long : bounds.short
    recorded.losses.forEach((expected, at) => {
      const step = at * recorded.every
      expect(Math.abs(losses[step]! - expected), `loss of step ${step}`).toBeLessThan(bound)
      expect(Math.abs(norms[step]! / recorded.gradientNorms[at]! - 1), `norm of step ${step}`).toBeLessThan(10 * bound)
    })
    expect(Math.abs(losses.at(-1)! - recorded.lastLoss)).toBeLessThan(bound)
  })

  it('has the same bits when it is run again, with another number of threads', async () => {
    const [first, second] = [await train(runs.cosine!, 1), await train(runs.cosine!, 3)]
    expect(second).toEqual(first)
  })
})
