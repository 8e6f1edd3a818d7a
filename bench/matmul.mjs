// The float matrix product beside the machine's peak: `node bench/matmul.mjs --threads 1,2 --repeat 5`.
// Every round measures the peak with the doctor's probe and then each product once, because timings from different moments
// do not compare; a product's fraction is of the peak of its own round.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import koffi from 'koffi'
import { findCompiler, flagsFor } from '../dist/build/compiler.js'
import { resolveTarget } from '../dist/build/targets.js'
import { buildPlan } from '../dist/emit/buildPlan.js'
import { bestRoom } from '../dist/kernels/matmul/matmul.kernel.js'
import { printHeader } from '../dist/kernels/printHeader.js'

/** @typedef {{ form: 'nn' | 'nt' | 'tn' | 'tt', dtype: 'f32' | 'f16' | 'bf16', rows: number, cols: number, depth: number }} Product */

const sources = fileURLToPath(new URL('../src/', import.meta.url))

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

/** Compiles the kernels and the probe with the flags of a model's build. @param {string} dir @param {string} name */
async function build(dir, name) {
  const target = resolveTarget(name)
  const compiler = await findCompiler()
  const plan = buildPlan([], target)
  const flags = flagsFor(compiler, [...plan.flags, ...target.flags, `-I${dir}`, `-I${join(sources, 'kernels')}`])
  const run = (/** @type {string[]} */ ...words) => {
    const [program = '', ...first] = compiler.command
    execFileSync(program, [...first, ...flags, ...words, ...plan.libraries], { stdio: ['ignore', 'ignore', 'inherit'] })
  }
  writeFileSync(join(dir, 'matmul.h'), printHeader('matmul'))
  run('-shared', join(sources, 'kernels', 'matmul', 'matmul.c'), '-o', join(dir, 'matmul.so'))
  run(join(sources, 'build', 'probe.c'), '-o', join(dir, 'probe'))
  return target.name
}

/** Operations per second of `threads` threads. @param {string} dir @param {number} threads */
function peakOf(dir, threads) {
  const { fma } = JSON.parse(execFileSync(join(dir, 'probe'), [`${threads}`, `${1 << 20}`], { encoding: 'utf8' }))
  return threads === 1 ? fma.one : fma.all
}

/** Memory that begins at a cache line, as a model's does: its address, and views to fill it. @param {number} bytes */
function allocate(bytes) {
  const memory = new Uint8Array(bytes + 64)
  const shift = Number((64n - (koffi.address(memory) % 64n)) % 64n)
  return {
    address: koffi.address(memory) + BigInt(shift),
    floats: new Float32Array(memory.buffer, shift, bytes >> 2),
    halves: new Uint16Array(memory.buffer, shift, bytes >> 1),
  }
}

/**
 * A function that computes the product once in `threads` parts and gives operations per second. Operands are dense.
 * @param {koffi.LibraryHandle} library @param {Product} product @param {ReturnType<typeof allocate>} scratch
 */
function prepare(library, { form, dtype, rows, cols, depth }, scratch) {
  const kernel = library.func(
    `void ck_matmul_fwd_${form}_${dtype}(int part, int parts, int64_t rows, int64_t cols, int64_t depth, int64_t room, int64_t aRow, int64_t bRow, int64_t sumRow, int64_t yRow, void *a, void *b, void *sum, void *y, void *scratch)`,
  )
  const a = allocate(4 * rows * depth)
  a.floats.forEach((_, i, values) => {
    values[i] = ((i * 7) % 13) / 13 - 0.5
  })
  const b = allocate(4 * cols * depth)
  // 0x3c00 .. 0x3cff are numbers near 1 as binary16 and near 0.01 as bfloat16.
  if (dtype === 'f32') b.floats.set(a.floats.subarray(0, Math.min(a.floats.length, b.floats.length)))
  else b.halves.forEach((_, i, values) => void (values[i] = 0x3c00 + ((i * 37) & 0xff)))
  const y = allocate(4 * rows * cols)
  const strides = [form[0] === 'n' ? depth : rows, form[1] === 'n' ? cols : depth, 0, cols]
  const sizes = [rows, cols, depth, scratch.floats.length, ...strides]
  const pointers = [a.address, b.address, null, y.address, scratch.address]
  return async (/** @type {number} */ threads) => {
    const start = performance.now()
    await Promise.all(
      Array.from({ length: threads }, (_, part) =>
        new Promise((resolve, reject) => {
          kernel.async(part, threads, ...sizes, ...pointers, (/** @type {unknown} */ error) =>
            error ? reject(error) : resolve(undefined),
          )
        }),
      ),
    )
    const seconds = (performance.now() - start) / 1000
    // Named here, the operands live as long as this function.
    return a && b && y && (2 * rows * cols * depth) / seconds
  }
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
    product: { type: 'string', multiple: true, default: usual },
    target: { type: 'string', default: 'native' },
  },
})
const threadCounts = values.threads.split(',').map(Number)
const repeat = values.quick ? 1 : Number(values.repeat)
if (![...threadCounts, repeat].every((count) => Number.isInteger(count) && count > 0)) {
  console.error(
    'usage: node bench/matmul.mjs [--threads N,N] [--repeat N] [--quick] [--json] [--product FORM,DTYPE,ROWS,COLS,DEPTH]... [--target NAME]',
  )
  process.exit(2)
}

const products = values.product.map(readProduct)
// Parts run on the threads of Node's pool; its size is read when it is first used.
process.env.UV_THREADPOOL_SIZE = `${Math.max(4, ...threadCounts)}`
koffi.config({ async_stack_size: 1 << 20 })
const dir = mkdtempSync(join(tmpdir(), 'ck-matmul-'))
const target = await build(dir, values.target)
const library = koffi.load(join(dir, 'matmul.so'))
const scratch = allocate(4 * bestRoom * Math.max(...threadCounts))
const runs = products.map((product) => prepare(library, product, scratch))
const rows = []
for (const threads of threadCounts) {
  /** @type {{ rate: number, fraction: number }[][]} */
  const results = products.map(() => [])
  const peaks = []
  // Round 0 touches the memory and is not counted.
  for (let round = 0; round <= repeat; round++) {
    const peak = peakOf(dir, threads)
    for (const [i, run] of runs.entries()) {
      const rates = [await run(threads), await run(threads), await run(threads)]
      if (round > 0) results[i]?.push({ rate: median(rates), fraction: median(rates) / peak })
    }
    if (round > 0) peaks.push(peak)
  }
  if (!values.json) console.log(`${target}, ${threads} threads: peak ${(median(peaks) / 1e9).toFixed(1)} GFLOP/s`)
  for (const [i, { form, dtype, rows: m, cols: n, depth: k }] of products.entries()) {
    const gflops = median(results[i]?.map((result) => result.rate) ?? []) / 1e9
    const peakFraction = median(results[i]?.map((result) => result.fraction) ?? [])
    rows.push({ form: `${form} ${dtype}`, m, n, k, threads, gflops, peakFraction })
    const name = `${form} ${dtype} ${m} x ${n} x ${k}`.padEnd(28)
    const figures = `${gflops.toFixed(1).padStart(7)} GFLOP/s  ${(100 * peakFraction).toFixed(1).padStart(5)} % of peak`
    if (!values.json) console.log(`  ${name} ${figures}`)
  }
}
if (values.json) console.log(JSON.stringify(rows))
rmSync(dir, { recursive: true })
