// `npm run docs`: writes docs/models.md. `--measure [NAME ...]` first measures all recorded references, or those named, and
// notes the errors in tests/parity/goldens/results.json.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { checkpointOf, goldenNames, goldens, modelsPage, resultsFile } from './modelsPage.mjs'
import { buildDist, root } from './prepare.mjs'

const { values, positionals } = parseArgs({
  options: { measure: { type: 'boolean', default: false } },
  allowPositionals: true,
})
if (buildDist() !== 0) process.exit(1)

const { weightDtypes } = await import('../dist/base/dtypes.js')
const { compile } = await import('../dist/compile.js')
const { openCheckpoint } = await import('../dist/formats/openCheckpoint.js')
const { interpretLogits } = await import('../dist/parity/interpretModel.js')
const { load } = await import('../dist/run/session.js')
const { ConfigReader } = await import('../dist/templates/configReader.js')
const { readModel, templates } = await import('../dist/templates/readModel.js')
const { ropeVariants } = await import('../dist/templates/ropeVariants.js')

if (values.measure) await measure(positionals)
const page = join(root, 'docs', 'models.md')
writeFileSync(page, modelsPage({ templates, openCheckpoint, ConfigReader, ropeVariants, weightDtypes }))
process.stdout.write(`${page}\n`)

/** Notes the errors of the references that are named, or of all. */
async function measure(names) {
  const known = existsSync(resultsFile) ? JSON.parse(readFileSync(resultsFile, 'utf8')).goldens : {}
  const dir = mkdtempSync(join(tmpdir(), 'ck-models-'))
  try {
    const found = {}
    for (const name of goldenNames()) {
      const isAsked = names.length === 0 || names.includes(name)
      if (isAsked) found[name] = await errorsOf(name, join(dir, name))
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
async function errorsOf(name, dir) {
  const path = checkpointOf(name)
  const { ids, logits } = readGolden(name)
  const checkpoint = openCheckpoint(path)
  const interpreted = interpretLogits(checkpoint, readModel(checkpoint), ids).data
  checkpoint.close()
  const computed = async (strict) => {
    const out = `${dir}-${strict ? 'strict' : 'own'}`
    await compile(path, { out, strict })
    const model = await load(out)
    const session = model.session({ threads: 2 })
    const result = await session.logits(ids)
    await session.close()
    await model.close()
    return nmse(logits, result)
  }
  return { interpret: nmse(logits, interpreted), strict: await computed(true), own: await computed(false) }
}

function readGolden(name) {
  const bytes = readFileSync(join(goldens, name, 'logits.safetensors'))
  const length = Number(bytes.readBigUInt64LE(0))
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + length))
  const data = (key) => {
    const [from, to] = header[key].data_offsets
    return Uint8Array.from(bytes.subarray(8 + length + from, 8 + length + to)).buffer
  }
  return { ids: [...new Int32Array(data('ids'))], logits: new Float64Array(data('logits')) }
}

function nmse(expected, found) {
  const error = expected.reduce((sum, value, i) => sum + (value - found[i]) ** 2, 0)
  return (error / expected.reduce((sum, value) => sum + value ** 2, 0)).toExponential(1)
}
