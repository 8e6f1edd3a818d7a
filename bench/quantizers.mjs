// Errors of llama.cpp's quantiser on the matrices of tests/formats/quantizerTensors.mjs, beside ours (dist/, after
// `npm run build`): `node bench/quantizers.mjs` prints them, `--record` rewrites tests/formats/goldens/llama.cpp-errors.json.
import { readdirSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
// @ts-expect-error: the package ships no types.
import { getBinsDir } from '@node-llama-cpp/linux-x64'
import { decodeTensor, weightDtypes, weightRows } from '../dist/base/dtypes.js'
import { loadLlamaCpp } from '../dist/cli/peers/llamaCpp.js'
import { openCheckpoint } from '../dist/formats/openCheckpoint.js'
import { demoTensors, quantizerTensors, relativeError } from '../tests/formats/quantizerTensors.mjs'

// The project's own: a second copy could not call back what the first has registered.
const koffi = createRequire(new URL('../package.json', import.meta.url))('koffi')

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const golden = join(root, 'tests', 'formats', 'goldens', 'llama.cpp-errors.json')

/** @typedef {import('../tests/formats/quantizerTensors.mjs').QuantizerTensor} Tensor */

/** @returns {ReadonlyMap<string, Float32Array>} */
function readDemo() {
  const checkpoint = openCheckpoint(join(root, 'models', 'demo.gguf'))
  const read = (/** @type {string} */ name) => {
    const record = checkpoint.tensors.get(name)
    if (!record) throw new Error(`models/demo.gguf has no ${name}`)
    const elements = record.shape.reduce((product, dim) => product * dim, 1)
    return Float32Array.from(decodeTensor(record.dtype, checkpoint.read(record), elements))
  }
  return new Map(Object.keys(demoTensors).map((name) => [name, read(name)]))
}

const folder = join(getBinsDir().binsDir, 'linux-x64')
const base = koffi.load(join(folder, readdirSync(folder).find((name) => /^libggml-base/.test(name)) ?? ''))
const quantizeInit = base.func('ggml_quantize_init', 'void', ['int'])
const quantizeChunk = base.func('ggml_quantize_chunk', 'size_t', [
  'int',
  'float *',
  'void *',
  'int64_t',
  'int64_t',
  'int64_t',
  'float *',
])

/** @param {string} dtype @param {Tensor} tensor @param {Float32Array | null} importance */
function theirs(dtype, { values, rows, cols }, importance) {
  const { gguf, blockBytes, blockElements } = weightRows[dtype]
  const out = new Uint8Array((values.length / blockElements) * blockBytes)
  quantizeInit(gguf)
  const bytes = quantizeChunk(gguf, values, out, 0, rows, cols, importance)
  if (Number(bytes) !== out.length) throw new Error(`llama.cpp wrote ${bytes} bytes of ${dtype}, not ${out.length}`)
  return out
}

/** @param {string} dtype @param {Tensor} tensor @param {Float32Array | null} importance @param {boolean} isSearch */
function ours(dtype, { values, rows, cols }, importance, isSearch) {
  const { encoder, blockBytes, blockElements } = weightRows[dtype]
  const out = new Uint8Array((values.length / blockElements) * blockBytes)
  const encode = encoder(isSearch)
  const blocks = cols / blockElements
  for (let row = 0; row < rows; row++) {
    encode(values, row * cols, blocks, importance ?? undefined, out, row * blocks * blockBytes)
  }
  return out
}

/** Weights per microsecond of processor time: with search, without, and llama.cpp's. @param {string} dtype */
function speeds(dtype) {
  const [rows, cols] = [64, 4096]
  const values = Float32Array.from({ length: rows * cols }, (_, i) => Math.sin(i * i))
  const tensor = { name: 'speed', rows, cols, values, importance: new Float32Array(cols) }
  return [() => ours(dtype, tensor, null, true), () => ours(dtype, tensor, null, false), () => theirs(dtype, tensor, null)].map(
    (work) => {
      work()
      const begin = process.cpuUsage()
      work()
      const { user, system } = process.cpuUsage(begin)
      return ((rows * cols) / (user + system)).toFixed(1)
    },
  )
}

/** Enough digits to compare by, and every machine gives them. @param {number} value */
const short = (value) => Number(value.toPrecision(6))

const { values } = parseArgs({
  options: { record: { type: 'boolean', default: false }, speed: { type: 'boolean', default: false } },
})
if (values.speed) {
  console.log('Mweights/s per core: with search, without, llama.cpp')
  for (const dtype of weightDtypes) console.log([dtype.padEnd(7), ...speeds(dtype)].join('  '))
  process.exit()
}
const tensors = quantizerTensors(readDemo())
/** @type {Record<string, Record<string, readonly [number, number]>>} */
const errors = {}
for (const dtype of weightDtypes.filter((name) => name !== 'f32')) {
  const row = (errors[dtype] = /** @type {Record<string, readonly [number, number]>} */ ({}))
  for (const tensor of tensors.filter(({ cols }) => cols % weightRows[dtype].blockElements === 0)) {
    const found = [undefined, tensor.importance].map((importance) => {
      const errorOf = (/** @type {Uint8Array} */ bytes) =>
        relativeError(tensor, decodeTensor(dtype, bytes, tensor.values.length), importance)
      const their = errorOf(theirs(dtype, tensor, importance ?? null))
      const our = errorOf(ours(dtype, tensor, importance ?? null, true))
      const fast = errorOf(ours(dtype, tensor, importance ?? null, false))
      return { their: short(their), ratio: our / their, fast: fast / their }
    })
    row[tensor.name] = [found[0]?.their ?? Number.NaN, found[1]?.their ?? Number.NaN]
    const text = found.map(({ their, ratio, fast }) => `${their.toExponential(3)} × ${ratio.toFixed(3)} (${fast.toFixed(2)})`)
    console.log(`${dtype.padEnd(7)} ${tensor.name.padEnd(22)} ${text.join('   with importance ')}`)
    if (found.some(({ ratio }) => ratio > 1)) {
      process.exitCode = 1
      console.log('  ^ worse than llama.cpp')
    }
  }
}
if (values.record) {
  const recordedBy = `${loadLlamaCpp().name} (@node-llama-cpp/linux-x64 3.22.1), ggml_quantize_chunk`
  const lines = Object.entries(errors).map(([dtype, row]) => `    ${JSON.stringify(dtype)}: ${JSON.stringify(row)}`)
  const text = `{\n  "recordedBy": ${JSON.stringify(recordedBy)},\n  "errors": {\n${lines.join(',\n')}\n  }\n}\n`
  writeFileSync(golden, text)
}
