// The float matrix product beside the machine's peak: `node bench/matmul.mjs --threads 1,2 --repeat 5`.
// Every round measures the peak with the doctor's probe and then each product once, because timings from different moments
// do not compare; a product's fraction is of the peak of its own round. `--write` puts the table into RESULTS.md.
import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { findCompiler, flagsFor } from '../dist/build/compiler.js'
import { openProbe } from '../dist/build/probe.js'
import { resolveTarget } from '../dist/build/targets.js'
import { buildPlan } from '../dist/emit/buildPlan.js'
import { bestRoom } from '../dist/kernels/matmul/matmul.kernel.js'
import { printHeader } from '../dist/kernels/printHeader.js'
import { printCode, writeSections } from './resultsFile.mjs'
import { printProducts } from './resultsText.mjs'

/** @typedef {import('../dist/build/probe.js').Probe} Probe */
/** @typedef {{ form: 'nn' | 'nt' | 'tn' | 'tt', dtype: 'f32' | 'f16' | 'bf16', rows: number, cols: number, depth: number }} Product */

const here = fileURLToPath(new URL('.', import.meta.url))
const sources = join(here, '..', 'src')

/** A square, and a layer of GPT-2's MLP over 1024 tokens: y = x·wᵀ, dx = dy·w, dw = dyᵀ·x. */
const usual = [
  'nn,f32,1024,1024,1024',
  'nt,f32,1024,1024,1024',
  'tn,f32,1024,1024,1024',
  'nt,f32,1024,3072,768',
  'nn,f32,1024,768,3072',
  'tn,f32,3072,768,1024',
  'nt,bf16,1024,3072,768',
]

/** @param {string} text @returns {Product} */
function readProduct(text) {
  const [form, dtype, ...sizes] = text.split(',')
  const [rows = 0, cols = 0, depth = 0] = sizes.map(Number)
  const isKnown = /^[nt]{2}$/.test(form ?? '') && /^(f32|f16|bf16)$/.test(dtype ?? '')
  if (!isKnown || sizes.length !== 3 || ![rows, cols, depth].every((size) => Number.isInteger(size) && size > 0)) {
    console.error(`'${text}' is no product; accepted: FORM,DTYPE,ROWS,COLS,DEPTH, such as nt,bf16,1024,3072,768`)
    process.exit(2)
  }
  return /** @type {Product} */ ({ form, dtype, rows, cols, depth })
}

/** C of the products, for matmul.c. @param {readonly Product[]} products @param {number} room */
function printSource(products, room) {
  const runs = products.map(({ form, dtype, rows, cols, depth }, i) => {
    const strides = [form[0] === 'n' ? depth : rows, form[1] === 'n' ? cols : depth, 0, cols]
    const numbers = [rows, cols, depth, cols, 'ROOM', ...strides].join(', ')
    return `static void run_${i}(int part, int parts, float *a, float *b, float *y, float *scratch) {
    ck_matmul_fwd_${form}_${dtype}(part, parts, ${numbers}, a, (void *)b, NULL, y, scratch);
}
`
  })
  const table = products.map(({ dtype, rows, cols, depth }, i) => {
    const bytes = [4 * rows * depth, (dtype === 'f32' ? 4 : 2) * cols * depth, 4 * rows * cols]
    return `    {run_${i}, ${bytes.join(', ')}},\n`
  })
  return `#define ROOM ${room}\n\n${runs.join('')}\nstatic const product products[] = {\n${table.join('')}};\n`
}

/** Compiles the products with the flags of a model's build. @param {string} dir @param {string} name @param {number} threads */
async function build(dir, name, threads) {
  const target = resolveTarget(name)
  const compiler = await findCompiler()
  const plan = buildPlan([], target)
  const folders = [dir, join(sources, 'kernels'), join(sources, 'engine')].map((folder) => `-I${folder}`)
  const flags = flagsFor(compiler, [...plan.flags, ...target.flags, ...folders])
  const run = (/** @type {string[]} */ ...words) => {
    const [program = '', ...first] = compiler.command
    execFileSync(program, [...first, ...flags, ...words, ...plan.libraries], { stdio: ['ignore', 'ignore', 'inherit'] })
  }
  writeFileSync(join(dir, 'matmul.h'), printHeader('matmul'))
  writeFileSync(join(dir, 'products.h'), printSource(products, bestRoom * threads))
  const engine = ['barrier', 'cpu', 'mapping', 'refuse', 'utf8', 'workers'].map((part) => join(sources, 'engine', `${part}.c`))
  run(join(here, 'matmul.c'), join(sources, 'kernels', 'matmul', 'matmul.c'), ...engine, '-o', join(dir, 'matmul'))
  return target.name
}

/**
 * The peak of every round, and of every product its operations per second in each.
 * @param {string} dir @param {Probe} probe @param {number} threads @param {number} rounds
 */
async function measure(dir, probe, threads, rounds) {
  const program = spawn(join(dir, 'matmul'), [`${threads}`, `${rounds}`], { stdio: ['pipe', 'pipe', 'inherit'] })
  const ended = new Promise((resolve) => program.once('close', resolve))
  /** @type {number[]} */
  const peaks = []
  /** @type {number[][]} */
  const rates = products.map(() => [])
  for await (const line of createInterface({ input: program.stdout })) {
    if (line === 'round') {
      peaks.push((await probe.rate('f32', threads)).mean)
      program.stdin.write('\n')
      continue
    }
    const [i = 0, seconds = 0] = line.split(' ').map(Number)
    const { rows, cols, depth } = /** @type {Product} */ (products[i])
    rates[i]?.push((2 * rows * cols * depth) / seconds)
  }
  if ((await ended) !== 0) throw new Error('the products could not be measured')
  return { peaks: peaks.slice(1), rates }
}

/** @param {readonly number[]} values */
function median(values) {
  const sorted = [...values].sort((a, b) => a - b)
  return ((sorted[(sorted.length - 1) >> 1] ?? 0) + (sorted[sorted.length >> 1] ?? 0)) / 2
}

const { values } = parseArgs({
  options: {
    threads: { type: 'string', default: '1,2' },
    repeat: { type: 'string', default: '5' },
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
    product: { type: 'string', multiple: true, default: usual },
    target: { type: 'string', default: 'native' },
  },
})
const threadCounts = values.threads.split(',').map(Number)
const repeat = values.quick ? 1 : Number(values.repeat)
if (![...threadCounts, repeat].every((count) => Number.isInteger(count) && count > 0)) {
  console.error(
    'usage: node bench/matmul.mjs [--threads N,N] [--repeat N] [--quick] [--json] [--write] [--product FORM,DTYPE,ROWS,COLS,DEPTH]... [--target NAME]',
  )
  process.exit(2)
}

const products = values.product.map(readProduct)
const dir = mkdtempSync(join(tmpdir(), 'ck-matmul-'))
process.on('exit', () => rmSync(dir, { recursive: true, force: true }))
const target = await build(dir, values.target, Math.max(...threadCounts))
const probe = await openProbe({ target })
const rows = []
for (const threads of threadCounts) {
  const { peaks, rates } = await measure(dir, probe, threads, repeat)
  if (!values.json) console.log(`${target}, ${threads} threads: peak ${(median(peaks) / 1e9).toFixed(1)} GFLOP/s`)
  for (const [i, { form, dtype, rows: m, cols: n, depth: k }] of products.entries()) {
    const own = rates[i] ?? []
    const gflops = median(own) / 1e9
    const peakFraction = median(own.map((rate, round) => rate / (peaks[round] ?? Number.NaN)))
    rows.push({ form: `${form} ${dtype}`, m, n, k, threads, gflops, peakFraction })
    const name = `${form} ${dtype} ${m} x ${n} x ${k}`.padEnd(28)
    const figures = `${gflops.toFixed(1).padStart(7)} GFLOP/s  ${(100 * peakFraction).toFixed(1).padStart(5)} % of peak`
    if (!values.json) console.log(`  ${name} ${figures}`)
  }
}
await probe.close()
if (values.json) console.log(JSON.stringify(rows))
if (values.write) writeSections([printProducts(rows, printCode())])
