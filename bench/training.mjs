// Training beside PyTorch's:
// `node bench/training.mjs --python PYTHON [--rounds 3] [--threads 2] [--only NAME,...] [--json] [--write]`; --write puts a
// table into RESULTS.md. Both train the same model from the same weights on the same ids, each in a process of its own, in
// turns (A B A B ...) of a few steps, and every round begins with what the machine can do. Figures are medians, peak memory
// is VmHWM. PYTHON has torch and transformers (oracles/README.md).
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { openProbe } from '../dist/build/probe.js'
import { kernels } from '../dist/kernels/registry.js'
import { printCode, writeSections } from './resultsFile.mjs'

/**
 * @typedef {{ name: string, shape: string, vocabulary: number, batch: number, length: number, steps: number }} Race
 * @typedef {{ ask: (request: string) => Promise<any>, end: () => Promise<void> }} Side
 * @typedef {{ medianSeconds: number, leastSeconds: number, tokensPerSecond: number, peakBytes: number, lastLoss: number,
 *   updateSeconds: number }} Result
 * @typedef {{ f32: number, read: number }} Limits per second, medians of the rounds
 */

const here = dirname(fileURLToPath(import.meta.url))
const cache = join(here, 'cache', 'training')

/** `steps`: of each side in a round, behind one that is not counted. @type {readonly Race[]} */
const races = [
  { name: 'gpt2-124m-b4-t64', shape: 'gpt2-124m', vocabulary: 50257, batch: 4, length: 64, steps: 4 },
  { name: 'gpt2-124m-b4-t256', shape: 'gpt2-124m', vocabulary: 50257, batch: 4, length: 256, steps: 2 },
  { name: 'qwen3-1m-b16-t128', shape: 'qwen3-1m', vocabulary: 2048, batch: 16, length: 128, steps: 20 },
  { name: 'qwen3-1m-deep-b16-t128', shape: 'qwen3-1m-deep', vocabulary: 256, batch: 16, length: 128, steps: 20 },
  { name: 'qwen3-1m-words-b16-t128', shape: 'qwen3-1m-words', vocabulary: 8192, batch: 16, length: 128, steps: 20 },
]

const { values: options } = parseArgs({
  options: {
    python: { type: 'string' },
    rounds: { type: 'string', default: '3' },
    threads: { type: 'string', default: '2' },
    only: { type: 'string' },
    compile: { type: 'boolean', default: false },
    pages: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
  },
})
const chosen = races.filter(({ name }) => options.only?.split(',').includes(name) ?? true)
const [rounds, threads] = [Number(options.rounds), Number(options.threads)]
if (!options.python || chosen.length === 0 || !(rounds > 0 && threads > 0)) {
  console.error(`training: --python PYTHON is needed; --only takes of ${races.map(({ name }) => name).join(',')}`)
  process.exit(2)
}
const python = options.python

// PyTorch takes new pages from the system for every activation of a step unless malloc is told to keep them: it is faster so.
const keepPages = {
  MALLOC_MMAP_THRESHOLD_: String(2 ** 32),
  MALLOC_TRIM_THRESHOLD_: String(2 ** 34),
  MALLOC_TOP_PAD_: String(2 ** 28),
}

/**
 * A process that answers a line of JSON to each line.
 * @param {string} program
 * @param {readonly string[]} parameters
 * @param {{ readonly [name: string]: string }} [more]
 * @returns {Side}
 */
function open(program, parameters, more = {}) {
  const env = { ...process.env, ...more }
  const child = spawn(program, parameters, { env, stdio: ['pipe', 'pipe', 'inherit'] })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const ended = new Promise((resolve) => child.once('close', resolve))
  return {
    async ask(request) {
      child.stdin.write(`${request}\n`)
      const { value, done } = await lines.next()
      if (done) throw new Error(`${program} ended at '${request}'`)
      return JSON.parse(value)
    },
    async end() {
      child.stdin.end('end\n')
      await ended
    },
  }
}

/**
 * @param {string} program
 * @param {readonly string[]} parameters
 */
function runOnce(program, parameters) {
  const { status } = spawnSync(program, parameters, { stdio: ['ignore', 'ignore', 'inherit'] })
  if (status !== 0) throw new Error(`${program} ${parameters.join(' ')} failed`)
}

/**
 * Ids of a linear congruential generator, as many as eight batches and one.
 * @param {Race} race
 */
function writeIds({ name, vocabulary, batch, length }) {
  let state = 1
  const ids = Int32Array.from({ length: 8 * batch * length + 1 }, () => {
    state = (Math.imul(1664525, state) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * vocabulary)
  })
  const path = join(cache, `${name}.ids`)
  writeFileSync(path, ids)
  return path
}

/** @param {readonly number[]} values */
function median(values) {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

/**
 * @param {Race} race
 * @returns {Promise<{ limits: Limits, results: { [side: string]: Result } }>}
 */
async function run(race) {
  const folder = join(cache, race.shape)
  if (!existsSync(folder)) runOnce(python, [join(here, 'training.py'), folder, 'make', race.shape])
  const worker = join(here, 'trainingWorker.mjs')
  const given = [folder, writeIds(race), String(race.batch), String(race.length), String(threads)]
  const place = (/** @type {string} */ kind) => join(cache, `${race.name}-${kind}`)
  for (const [kind, more] of Object.entries({ train: [], update: ['accumulates'] })) {
    rmSync(place(kind), { recursive: true, force: true })
    runOnce(process.execPath, [worker, ...given, place(kind), 'build', ...more])
  }
  const peer = [join(here, 'training.py'), ...given, ...(options.compile ? ['compile'] : [])]
  /** @type {{ [side: string]: () => Side }} */
  const openers = {
    ours: () => open(process.execPath, [worker, ...given, place('train')]),
    pytorch: () => open(python, peer, options.pages ? {} : keepPages),
  }
  const sides = Object.fromEntries(Object.entries(openers).map(([name, opener]) => [name, opener()]))
  /** @type {{ [side: string]: number[] }} */
  const seconds = { ours: [], pytorch: [] }
  /** @type {{ [side: string]: number }} */
  const losses = {}
  // A side that still starts would take the cores from the other.
  for (const side of Object.values(sides)) await side.ask('memory')
  /** @type {{ f32: number[], read: number[] }} */
  const limits = { f32: [], read: [] }
  for (let round = 0; round < rounds; round++) {
    limits.f32.push((await probe.rate('f32', threads)).mean)
    limits.read.push((await probe.rate('read', threads)).mean)
    for (const [name, side] of Object.entries(sides)) {
      // The first step of a turn finds the caches full of the other side's data.
      for (let step = 0; step <= race.steps; step++) {
        const answer = await side.ask('step')
        if (step > 0) seconds[name].push(answer.seconds)
        losses[name] = answer.loss
      }
    }
  }
  const peaks = Object.fromEntries(
    await Promise.all(Object.entries(sides).map(async ([name, side]) => [name, (await side.ask('memory')).bytes])),
  )
  await sides.ours.end()
  const updates = { ours: open(process.execPath, [worker, ...given, place('update')]), pytorch: sides.pytorch }
  /** @type {{ [side: string]: number[] }} */
  const updateSeconds = { ours: [], pytorch: [] }
  for (let round = 0; round < rounds + 1; round++)
    for (const [name, side] of Object.entries(updates)) {
      const answer = await side.ask('update')
      if (round > 0) updateSeconds[name].push(answer.seconds)
    }
  for (const side of Object.values(updates)) await side.end()
  const results = Object.fromEntries(
    Object.keys(sides).map((name) => {
      const medianSeconds = median(seconds[name])
      const result = {
        medianSeconds,
        leastSeconds: Math.min(...seconds[name]),
        tokensPerSecond: (race.batch * race.length) / medianSeconds,
        peakBytes: peaks[name],
        lastLoss: losses[name],
        updateSeconds: median(updateSeconds[name]),
      }
      return [name, result]
    }),
  )
  return { limits: { f32: median(limits.f32), read: median(limits.read) }, results }
}

mkdirSync(cache, { recursive: true })
const probe = await openProbe()
const report = []
for (const race of chosen) {
  const { limits, results } = await run(race)
  report.push({ ...race, threads, limits, results })
  if (options.json) continue
  for (const [name, { medianSeconds, leastSeconds, tokensPerSecond, peakBytes, updateSeconds, lastLoss }] of Object.entries(
    results,
  ))
    console.log(
      `${race.name} ${name}: ${medianSeconds.toFixed(4)} s a step (least ${leastSeconds.toFixed(4)}), ` +
        `${tokensPerSecond.toFixed(0)} tokens/s, peak ${(peakBytes / 2 ** 20).toFixed(0)} MiB, ` +
        `update ${updateSeconds.toFixed(4)} s, loss ${lastLoss.toFixed(5)}`,
    )
  const ratio = (results.pytorch.medianSeconds / results.ours.medianSeconds).toFixed(2)
  console.log(`${race.name}: ${ratio} times as fast; the machine did ${(limits.f32 / 1e9).toFixed(0)} GFLOP/s`)
}
await probe.close()
/** Floating-point operations of a step, by the kernels' own count. @param {string} name */
function flopsOf(name) {
  const { steps } = JSON.parse(readFileSync(join(cache, `${name}-train`, 'lowered_train.json'), 'utf8'))
  let sum = 0
  for (const step of steps)
    for (const call of step.kind === 'repeat' ? step.body : [step])
      if (call.kind === 'call') sum += (step.count ?? 1) * kernels.get(call.kernel).flops(call.dims)
  return sum
}

/** The section of RESULTS.md. */
function section() {
  const mebibytes = (/** @type {number} */ bytes) => (bytes / 2 ** 20).toFixed(0)
  const rows = report.map(({ name, batch, length, limits, results: { ours, pytorch } }) =>
    [
      name,
      `${batch} × ${length}`,
      ours.medianSeconds.toFixed(3),
      pytorch.medianSeconds.toFixed(3),
      (pytorch.medianSeconds / ours.medianSeconds).toFixed(2),
      `${(flopsOf(name) / ours.medianSeconds / limits.f32 * 100).toFixed(0)} % of ${(limits.f32 / 1e9).toFixed(0)}`,
      mebibytes(ours.peakBytes),
      mebibytes(pytorch.peakBytes),
      ours.updateSeconds.toFixed(4),
      pytorch.updateSeconds.toFixed(4),
      (limits.read / 1e9).toFixed(1),
    ].join(' | '),
  )
  return `### Beside PyTorch

${printCode()} Written by \`node bench/training.mjs --python PYTHON${options.pages ? ' --pages' : ''} --write\`: PyTorch 2.13 and this engine train the same model from the same weights on
the same ids, f32, AdamW, ${threads} threads, denormals flushed on both sides, in turns; seconds of a step are medians. PyTorch has SDPA, the fused
AdamW and ${options.pages ? "the system's malloc as it is" : 'a malloc that keeps its pages'}. "Of peak" is of the f32 multiply-adds that the
machine sustained in turns with them. The last columns are the update of all weights alone, and what the machine read.

| model | batch | ours, s | PyTorch, s | ratio | of peak, GFLOP/s | ours, MiB | PyTorch, MiB | update, ours, s | PyTorch, s | read, GB/s |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
${rows.map((row) => `| ${row} |`).join('\n')}
`
}

if (options.write) writeSections([section()])
if (options.json) process.stdout.write(`${JSON.stringify(report, null, 2)}\n`)
