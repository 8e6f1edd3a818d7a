// Measures the section of this machine in bench/RESULTS.md anew: `npm run bench`. A subset (`--formats q8_0 --threads 2
// --quick`) goes to standard output, or to `-o FILE`. Every row is a child process; one that fails is listed with its reason, and the exit code is then 1.
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { printCode, writeSections } from './resultsFile.mjs'
import { printHead, printSections } from './resultsText.mjs'

/** @typedef {import('./resultsText.mjs').Results} Results */

const here = dirname(fileURLToPath(import.meta.url))
const ck = join(here, '..', 'dist', 'ck', 'main.js')
const cache = join(here, 'cache')
const shape = 'qwen3-0.6b'
const allFormats = ['q8_0', 'q4_0', 'q4_k_m', 'q5_k_m', 'q6_k', 'f16', 'bf16']

const { values } = parseArgs({
  options: {
    formats: { type: 'string' },
    threads: { type: 'string' },
    quick: { type: 'boolean', default: false },
    output: { type: 'string', short: 'o' },
  },
})
const formats = values.formats?.split(',') ?? allFormats
const threads = (values.threads ?? '1,2').split(',').map(Number)
const unknown = formats.filter((format) => !allFormats.includes(format))
if (unknown.length > 0 || !threads.every((count) => Number.isInteger(count) && count > 0)) {
  console.error(`bench: --formats takes of ${allFormats.join(',')}, --threads numbers: 1,2`)
  process.exit(2)
}
const isSubset = values.quick || values.formats !== undefined || values.threads !== undefined
const size = values.quick
  ? { prompt: 128, decode: 16, repeat: 2, depths: [0, 1024] }
  : { prompt: 512, decode: 64, repeat: 3, depths: [0, 4096, 16384] }

/**
 * The JSON that a Node program prints. Its refusal, in a sentence, is thrown.
 * @param {readonly string[]} parameters
 * @returns {Promise<any>}
 */
function runJson(parameters) {
  return new Promise((resolve, reject) => {
    const env = { ...process.env, CK_CACHE: join(cache, 'builds') }
    const child = spawn(process.execPath, parameters, { env, stdio: ['ignore', 'pipe', 'pipe'] })
    let [text, complaint] = ['', '']
    child.stdout.on('data', (/** @type {Buffer} */ chunk) => {
      text += chunk
    })
    child.stderr.on('data', (/** @type {Buffer} */ chunk) => {
      complaint += chunk
    })
    child.on('close', (code, signal) => {
      const last = complaint.trim().split('\n').at(-1) ?? ''
      if (code !== 0) return reject(new Error(last.replace(/^ck: /, '') || `ended with ${signal ?? code}`))
      try {
        resolve(JSON.parse(text))
      } catch {
        reject(new Error(`printed no JSON: ${text.slice(0, 80)}`))
      }
    })
  })
}

/** @type {{ row: string, reason: string }[]} */
const failures = []

/**
 * A row's result; undefined where it failed, which is noted.
 * @template T
 * @param {string} row
 * @param {() => Promise<T>} measure
 * @returns {Promise<T | undefined>}
 */
async function attempt(row, measure) {
  process.stderr.write(`${row}\n`)
  try {
    return await measure()
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    process.stderr.write(`  failed: ${reason}\n`)
    failures.push({ row, reason })
    return undefined
  }
}

/** The GGUF file of a format, made where it is not there yet. @param {string} format */
async function modelOf(format) {
  const path = join(cache, `${shape}-${format}.gguf`)
  mkdirSync(cache, { recursive: true })
  if (!existsSync(path)) await runJson([ck, 'synth', '--shape', shape, '--format', format, '-o', path, '--json'])
  return path
}

const sizes = ['-n', String(size.decode), '--repeat', String(size.repeat), '--json']

/** @returns {Promise<Results['versus'][number][]>} */
async function benchVersus() {
  const rows = []
  for (const format of formats) {
    for (const count of threads) {
      const row = `${format}, ${count} thread${count === 1 ? '' : 's'}, beside llama.cpp`
      const report = await attempt(row, async () => {
        const given = ['bench', await modelOf(format), '--vs', 'llama.cpp', '-p', String(size.prompt), '-t', String(count)]
        return runJson([ck, ...given, ...sizes])
      })
      for (const result of report?.results ?? []) rows.push({ format, peer: report.peer, ...result })
    }
  }
  return rows
}

/** @returns {Promise<Results['depths'][number][]>} */
async function benchDepths() {
  const rows = []
  const [format = 'q8_0'] = formats
  const context = String(2 ** Math.ceil(Math.log2(Math.max(...size.depths) + size.decode)))
  for (const count of threads) {
    const row = `${format}, ${count} thread${count === 1 ? '' : 's'}, depths ${size.depths.join(', ')}`
    const report = await attempt(row, async () => {
      const given = ['bench', await modelOf(format), '-p', '1', '--depth', size.depths.join(','), '-t', String(count)]
      return runJson([ck, ...given, '--context', context, ...sizes])
    })
    const decodes = (report?.results ?? []).filter((/** @type {{ kind: string }} */ { kind }) => kind === 'decode')
    for (const result of decodes) rows.push({ format, ...result })
  }
  return rows
}

/** @returns {Promise<Results['products']>} */
async function benchProducts() {
  const program = join(here, 'matmul.mjs')
  if (!existsSync(program)) return []
  const quick = values.quick ? ['--quick'] : []
  return (await attempt('matrix products', () => runJson([program, '--json', ...quick]))) ?? []
}

const doctor = await attempt('limits of this machine', () => runJson([ck, 'doctor', '--json']))
const results = {
  shape,
  size,
  doctor,
  versus: await benchVersus(),
  depths: await benchDepths(),
  products: await benchProducts(),
  failures,
}
// Builds are large and quickly made again; the models are not.
rmSync(join(cache, 'builds'), { recursive: true, force: true })
const [head, sections] = [printHead(results), printSections(results, printCode())]
if (!isSubset && values.output === undefined) writeSections(sections, head)
else {
  const text = [head, ...sections].join('\n')
  if (values.output === undefined) process.stdout.write(text)
  else writeFileSync(values.output, text)
}
process.exitCode = failures.length > 0 ? 1 : 0
