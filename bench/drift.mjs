// How far a long training drifts from PyTorch's: `node bench/drift.mjs --python PYTHON [--text FILE] [--steps 300,1000] [--threads 2]
// [-o docs/drift.md]` trains what oracles/train/drift.py trains, from the same weights on the same data, and prints a report in
// Markdown. Where a loss leaves the tolerance, every op of that step is compared with its float64 reference on the values that
// it read.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { optimizerDefaults } from '../dist/base/optimizers.js'
import { openCheckpoint } from '../dist/formats/openCheckpoint.js'
import { tensor } from '../dist/ir/tensor.js'
import { compareTrainingTrace } from '../dist/parity/compareTraining.js'
import { decayExcept } from '../dist/passes/updateSettings.js'
import { readModel } from '../dist/templates/readModel.js'
import { compileTraining } from '../dist/train/program/compileTraining.js'
import { loadWeights } from '../dist/train/program/loadWeights.js'
import { Trainer } from '../dist/train/program/trainer.js'
import { compileTrainingTrace, readTraced } from '../dist/train/program/trainingTrace.js'
import { stepRates } from '../dist/train/rates.js'

/**
 * @typedef {{ betas: [number, number], eps: number, weightDecay: number, clip: number, learningRate: number, rows: number,
 *   length: number, stride: number, steps: number, schedule: { kind: 'cosine', warmup: number, least: number } }} Run
 * @typedef {{ run: Run, losses: number[], float64: number[] }} Recorded
 */

const root = fileURLToPath(new URL('../', import.meta.url))
const { values: options } = parseArgs({
  options: {
    python: { type: 'string' },
    text: { type: 'string', default: join(root, '../shared/data/tinyshakespeare.txt') },
    recorded: { type: 'string' },
    steps: { type: 'string', default: '300,1000' },
    threads: { type: 'string', default: '2' },
    out: { type: 'string', short: 'o' },
  },
})
if (!(options.python || options.recorded) || !existsSync(options.text)) {
  console.error('drift: --python PYTHON (or --recorded FOLDER that drift.py wrote) and an existing --text FILE are needed')
  process.exit(2)
}
const threads = Number(options.threads)
/** The most that losses may be apart, up to step 40 and beyond. */
const tolerance = { steps: 40, early: 1e-4, late: 1e-2 }
const shown = [1, 2, 5, 10, 20, 50, 100, 200, 300, 500, 1000]

const place = mkdtempSync(join(tmpdir(), 'ck-drift-'))
const folder = options.recorded ?? join(place, 'model')
try {
  if (options.python && !options.recorded) {
    const script = join(root, 'oracles/train/drift.py')
    const { status, error } = spawnSync(options.python, [script, options.text, folder, ...options.steps.split(',')], {
      stdio: ['ignore', 2, 'inherit'],
    })
    if (error || status !== 0) throw new Error(`${options.python} ${script} failed${error ? `: ${error.message}` : ''}`)
  }
  const report = await compare()
  if (options.out) writeFileSync(options.out, report)
  else process.stdout.write(report)
} finally {
  rmSync(place, { recursive: true, force: true })
}

async function compare() {
  const text = readFileSync(options.text)
  /** @type {{ torch: string, runs: Recorded[] }} */
  const { torch, runs } = JSON.parse(readFileSync(join(folder, 'run.json'), 'utf8'))
  const sections = []
  for (const recorded of runs) sections.push(await section(text, recorded))
  return `# Drift from PyTorch

A tiny Qwen3 (2 layers, 64 wide, bytes as tokens) trained on tinyshakespeare.txt by this engine and by PyTorch ${torch}, both in f32, from the
same weights on the same batches, by AdamW with clipping and a cosine schedule. Losses are those before the update of the step;
the last column is PyTorch in f32 against PyTorch in float64: what rounding alone does. Tolerance: ${tolerance.early} up to step
${tolerance.steps}, ${tolerance.late} beyond. Made by \`node bench/drift.mjs --python PYTHON -o docs/drift.md\`.

${sections.join('\n')}`
}

/**
 * @param {Buffer} text
 * @param {Recorded} recorded
 */
async function section(text, { run, losses, float64 }) {
  const ours = await train(text, run, run.steps)
  const apart = ours.losses.map((loss, step) => Math.abs(loss - losses[step]))
  const most = apart.reduce((worst, value, step) => (value > apart[worst] ? step : worst), 0)
  const first = apart.findIndex((value, step) => value > (step < tolerance.steps ? tolerance.early : tolerance.late))
  const rows = shown
    .filter((step) => step <= run.steps)
    .map((step) => {
      const [own, other] = [ours.losses[step - 1], losses[step - 1]]
      const rounding = Math.abs(other - float64[step - 1])
      return `| ${step} | ${own.toFixed(6)} | ${other.toFixed(6)} | ${apart[step - 1].toExponential(1)} | ${rounding.toExponential(1)} |`
    })
  const rounding = Math.max(...losses.map((loss, step) => Math.abs(loss - float64[step])))
  // The step where they part; where they never do, that of the largest difference is looked at all the same.
  const cause = await causeAt(text, run, first < 0 ? most : first)
  const verdict = first < 0 ? 'They stay within the tolerance at every step.' : `They part at step ${first + 1}.`
  return `## ${run.steps} steps

| step | loss | PyTorch | difference | PyTorch, f32 to float64 |
| ---: | ---: | ---: | ---: | ---: |
${rows.join('\n')}

Largest difference: ${apart[most].toExponential(1)} at step ${most + 1}; PyTorch's own from float64: ${rounding.toExponential(1)}. ${verdict}
At step ${(first < 0 ? most : first) + 1} ${cause}
`
}

/**
 * The losses of the first `steps` steps, and the weights behind them.
 * @param {Buffer} text
 * @param {Run} run
 * @param {number} steps
 */
async function train(text, run, steps) {
  const checkpoint = openCheckpoint(folder)
  const model = readModel(checkpoint, run.length)
  const [beta1, beta2] = run.betas
  const optimizer = { ...optimizerDefaults.adamW, beta1, beta2, eps: run.eps }
  const update = { optimizer, group: decayExcept(run.weightDecay, ['vector']), clip: run.clip }
  const { dir } = await compileTraining(model, 'drift', { size: sizeOf(run), update, out: join(place, 'program') })
  const trainer = Trainer.open(dir, { threads })
  loadWeights(trainer, checkpoint, model)
  /** @type {number[]} */
  const losses = []
  for (let step = 0; step < steps; step++) {
    give(trainer, text, run, step)
    const factor = rateFactor(run, step)
    trainer.values('rates').set(stepRates(optimizer, step + 1, run.learningRate * factor))
    await trainer.run('train')
    losses.push(trainer.values('loss')[0])
  }
  const weights = new Map(model.graph.weights.map(({ name }) => [name, trainer.values(name).slice()]))
  await trainer.close()
  checkpoint.close()
  return { losses, weights }
}

/**
 * The learning rate of a step, counted from 0, as a part of the peak: as training.py has it.
 * @param {Run} run
 * @param {number} step
 */
function rateFactor({ steps, schedule: { warmup, least } }, step) {
  if (step < warmup) return (step + 1) / warmup
  return least + (1 - least) * 0.5 * (1 + Math.cos((Math.PI * (step - warmup)) / (steps - warmup)))
}

/** @param {Run} run */
function sizeOf({ rows, length }) {
  return { batch: rows, length }
}

/**
 * @param {Trainer} trainer
 * @param {Buffer} text
 * @param {Run} run
 * @param {number} step
 */
function give(trainer, text, run, step) {
  for (const [name, values] of Object.entries(inputsOf(text, run, step))) {
    if (!trainer.has(name)) continue
    if (name === 'total') trainer.values(name).set(values)
    else trainer.ids(name).set(values)
  }
}

/**
 * The batch of a step, as drift.py has it.
 * @param {Buffer} text
 * @param {Run} run
 * @param {number} step
 * @returns {{ [input: string]: number[] }}
 */
function inputsOf(text, { rows, length, stride }, step) {
  const windows = Math.floor((text.length - 1) / length)
  const places = Array.from({ length: rows * length }, (_, i) => {
    const window = ((step * rows + Math.floor(i / length)) * stride) % windows
    return window * length + (i % length)
  })
  return {
    ids: places.map((at) => text[at]),
    targets: places.map((at) => text[at + 1]),
    positions: places.map((_, i) => i % length),
    starts: places.map((_, i) => i - (i % length)),
    total: [rows * length],
  }
}

/**
 * Which op of a step, on our weights before it, is the first to leave its tolerance against its float64 reference.
 * @param {Buffer} text
 * @param {Run} run
 * @param {number} step
 */
async function causeAt(text, run, step) {
  const { weights } = await train(text, run, step)
  const checkpoint = openCheckpoint(folder)
  const model = readModel(checkpoint, run.length)
  checkpoint.close()
  const { dir, traced } = await compileTrainingTrace(model, 'drift', { size: sizeOf(run), out: join(place, 'trace') })
  const trainer = Trainer.open(dir, { threads })
  for (const [name, values] of weights) if (trainer.has(name)) trainer.values(name).set(values)
  give(trainer, text, run, step)
  await trainer.run('trace')
  const inputs = inputsOf(text, run, step)
  const ops = compareTrainingTrace({
    graph: traced.graph,
    read: (value, { shape }) => readTraced(trainer, traced, value, shape.map(Number)),
    given(name, { shape }) {
      const values = weights.get(name) ?? inputs[name]
      const elements = shape.reduce((/** @type {number} */ product, dim) => product * Number(dim), 1)
      return tensor(shape.map(Number), Float64Array.from(values).subarray(0, elements))
    },
  })
  await trainer.close()
  const worst = ops.reduce((most, row) => ((row.gathered?.nmse ?? 0) > (most.gathered?.nmse ?? 0) ? row : most))
  const out = ops.find(({ isWithin }) => !isWithin)
  const gathered = `the farthest value from the float64 run of the step is ${worst.value} (${worst.op}), NMSE ${worst.gathered?.nmse.toExponential(1)}`
  return out
    ? `the first op outside its tolerance is ${out.op}, which makes ${out.value}; ${gathered}.`
    : `none of ${ops.length} ops began it: all are within their tolerances; ${gathered}.`
}
