// `npm run docs`: writes docs/models.md and docs/train.schema.json. `--measure [NAME ...]` first measures all recorded references, or those named, and
// notes the errors in tests/parity/goldens/results.json.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { modelsPage, recordings, resultsFile } from './modelsPage.mjs'
import { buildDist, root } from './prepare.mjs'

const { values, positionals } = parseArgs({
  options: { measure: { type: 'boolean', default: false } },
  allowPositionals: true,
})
if (buildDist() !== 0) process.exit(1)

const { weightDtypes } = await import('../dist/base/dtypes.js')
const { compile } = await import('../dist/compile.js')
const { openCheckpoint } = await import('../dist/formats/openCheckpoint.js')
const { interpretEmbedding, interpretLogits } = await import('../dist/parity/interpretModel.js')
const { load } = await import('../dist/run/session.js')
const { ConfigReader } = await import('../dist/templates/configReader.js')
const { readModel, templates } = await import('../dist/templates/readModel.js')
const { configSchemaText } = await import('../dist/train/config/configSchema.js')
const { ropeVariants } = await import('../dist/templates/rope/ropeVariants.js')

if (values.measure) await measure(positionals)
const page = join(root, 'docs', 'models.md')
writeFileSync(page, modelsPage({ templates, openCheckpoint, ConfigReader, ropeVariants, weightDtypes }))
const schema = join(root, 'docs', 'train.schema.json')
writeFileSync(schema, configSchemaText())
process.stdout.write(`${page}\n${schema}\n`)

/** Notes the errors of the references that are named, or of all. */
async function measure(names) {
  const known = existsSync(resultsFile) ? JSON.parse(readFileSync(resultsFile, 'utf8')).goldens : {}
  const dir = mkdtempSync(join(tmpdir(), 'ck-models-'))
  try {
    const found = {}
    for (const recording of recordings()) {
      const { name } = recording
      const isAsked = names.length === 0 || names.includes(name)
      if (isAsked) found[name] = await errorsOf(recording, join(dir, name))
      else if (known[name]) found[name] = known[name]
      if (isAsked) process.stdout.write(`${name.padEnd(26)} ${JSON.stringify(found[name])}\n`)
    }
    const lines = Object.entries(found).map(
      ([name, errors]) => `    ${JSON.stringify(name)}: ${JSON.stringify(errors)}`,
    )
    writeFileSync(resultsFile, `{\n  "goldens": {\n${lines.join(',\n')}\n  }\n}\n`)
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

/** Errors of the interpreter, of the strict program and of that with the weights' own types. */
async function errorsOf({ path, file, key }, dir) {
  const { ids, expected } = readRecording(file, key)
  const isEncoder = key === 'embedding'
  const checkpoint = openCheckpoint(path)
  const interpreted = (isEncoder ? interpretEmbedding : interpretLogits)(checkpoint, readModel(checkpoint), ids).data
  checkpoint.close()
  const computed = async (strict) => {
    const out = `${dir}-${strict ? 'strict' : 'own'}`
    await compile(path, { out, strict })
    const model = await load(out)
    const session = model.session({ threads: 2 })
    const result = await (isEncoder ? session.embed(ids) : session.logits(ids))
    await session.close()
    await model.close()
    return nmse(expected, result)
  }
  return { interpret: nmse(expected, interpreted), strict: await computed(true), own: await computed(false) }
}

function readRecording(file, key) {
  const bytes = readFileSync(file)
  const length = Number(bytes.readBigUInt64LE(0))
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + length))
  const data = (name) => {
    const [from, to] = header[name].data_offsets
    return Uint8Array.from(bytes.subarray(8 + length + from, 8 + length + to)).buffer
  }
  return { ids: [...new Int32Array(data('ids'))], expected: new Float64Array(data(key)) }
}

function nmse(expected, found) {
  const error = expected.reduce((sum, value, i) => sum + (value - found[i]) ** 2, 0)
  return (error / expected.reduce((sum, value) => sum + value ** 2, 0)).toExponential(1)
}
