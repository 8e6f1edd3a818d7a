// Models quantised by llama.cpp itself: `node bench/llamaCppQuantize.mjs IN OUT FTYPE` (FTYPE: `general.file_type`, 15 for
// Q4_K_M), with `--imatrix FILE` weighted by its columns; or `--compare IN` for the types
// that it and we give to every tensor in every recipe, and for what the logits of both files lose, computed by llama.cpp
// (dist/, after `npm run build`; IN is in F32).
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
// @ts-expect-error: the package ships no types.
import { getBinsDir } from '@node-llama-cpp/linux-x64'
import { loadLlamaCpp } from '../dist/cli/peers/llamaCpp.js'
import { openCheckpoint } from '../dist/formats/openCheckpoint.js'
import { readImportance } from '../dist/quantize/importance.js'
import { modelSource } from '../dist/quantize/modelSource.js'
import { planTensors } from '../dist/quantize/planTensors.js'
import { quantizeModel } from '../dist/quantize/quantizeModel.js'
import { recipes } from '../dist/quantize/recipes.js'

// The project's own: a second copy could not call back what the first has registered.
const koffi = createRequire(new URL('../package.json', import.meta.url))('koffi')

/** `llama_model_imatrix_data`; a list of them ends with an empty one. */
const Entry = koffi.struct('llama_model_imatrix_data', { name: 'str', data: 'float *', size: 'size_t' })

/** `llama_model_quantize_params` of the pinned version. */
const Params = koffi.struct('llama_model_quantize_params', {
  nthread: 'int32_t',
  ftype: 'int32_t',
  output_tensor_type: 'int32_t',
  token_embedding_type: 'int32_t',
  allow_requantize: 'bool',
  quantize_output_tensor: 'bool',
  only_copy: 'bool',
  pure: 'bool',
  keep_split: 'bool',
  dry_run: 'bool',
  imatrix: 'const llama_model_imatrix_data *',
  kv_overrides: 'void *',
  tt_overrides: 'void *',
  prune_layers: 'void *',
})

const peer = loadLlamaCpp()
const folder = join(getBinsDir().binsDir, 'linux-x64')
const llama = koffi.load(join(folder, readdirSync(folder).find((name) => /^libllama\.v/.test(name)) ?? ''))
const defaults = llama.func('llama_model_quantize_default_params', Params, [])
const run = llama.func('llama_model_quantize', 'uint32_t', ['str', 'str', koffi.pointer(Params)])

/** @param {string} input @param {string} output @param {number} ftype @param {string} [imatrix] */
function quantizeByLlamaCpp(input, output, ftype, imatrix) {
  const read = defaults()
  if (read.quantize_output_tensor !== true || read.pure !== false || read.imatrix !== null) {
    throw new Error("llama.cpp's default parameters read otherwise: the structure has changed")
  }
  const columns = imatrix === undefined ? [] : [...readImportance(imatrix).columns]
  const entries = columns.map(([name, data]) => ({ name, data, size: data.length }))
  const list = koffi.as([...entries, { name: null, data: null, size: 0 }], koffi.pointer(Entry))
  const params = { ...read, ftype, nthread: 2, allow_requantize: true, imatrix: columns.length > 0 ? list : null }
  if (run(input, output, params) !== 0) throw new Error(`llama.cpp cannot quantise ${input}`)
}

/** Types of all tensors. @param {string} path */
function typesOf(path) {
  const checkpoint = openCheckpoint(path)
  const types = new Map([...checkpoint.tensors].map(([name, { dtype }]) => [name, dtype]))
  checkpoint.close()
  return types
}

/** Logits of some ids by llama.cpp. @param {string} path */
function logitsOf(path) {
  const model = peer.openModel(path)
  const ids = Int32Array.from({ length: 128 }, (_, i) => (7 + i * i) % model.vocabulary)
  const rows = model.logits(ids, { threads: 2, context: 256, cache: 'f32', flashAttention: false })
  model.close()
  return rows.flatMap((row) => [...row])
}

/** Mean squared error over mean square. @param {readonly number[]} wanted @param {readonly number[]} found */
function nmse(wanted, found) {
  const sum = (/** @type {(value: number, i: number) => number} */ term) =>
    wanted.reduce((total, value, i) => total + term(value, i), 0)
  return sum((value, i) => ((found[i] ?? Number.NaN) - value) ** 2) / sum((value) => value ** 2)
}

const { values, positionals } = parseArgs({ options: { compare: { type: 'string' }, imatrix: { type: 'string' } }, allowPositionals: true })
if (values.compare === undefined) {
  const [input = '', output = '', ftype = ''] = positionals
  quantizeByLlamaCpp(input, output, Number(ftype), values.imatrix)
} else {
  const dir = mkdtempSync(join(tmpdir(), 'ck-recipes-'))
  const checkpoint = openCheckpoint(values.compare)
  const { tensors, headsPerValue } = modelSource(checkpoint)
  const wanted = logitsOf(values.compare)
  // llama.cpp's MXFP4 stores experts so and everything else as Q8_0; ours stores every matrix so.
  for (const [name, recipe] of Object.entries(recipes).filter(([name]) => name !== 'mxfp4')) {
    const path = join(dir, 'model.gguf')
    quantizeByLlamaCpp(values.compare, path, recipe.fileType)
    const theirs = typesOf(path)
    const plan = planTensors(tensors, recipe, { path: values.compare, rules: [], isWeighted: false, headsPerValue })
    const other = [...plan].filter(([tensor, dtype]) => theirs.get(tensor) !== dtype)
    const their = nmse(wanted, logitsOf(path))
    await quantizeModel(checkpoint, path, { recipe: /** @type {keyof typeof recipes} */ (name) })
    const our = nmse(wanted, logitsOf(path))
    const types = other.length === 0 ? 'the same types' : 'OTHER TYPES'
    console.log(`${name.padEnd(7)} ${types}  logits lose ${our.toExponential(2)}, llama.cpp's ${their.toExponential(2)}`)
    for (const [tensor, dtype] of other) console.log(`  ${tensor}: ${dtype}, llama.cpp ${theirs.get(tensor)}`)
    if (other.length > 0) process.exitCode = 1
  }
  checkpoint.close()
  rmSync(dir, { recursive: true })
}
