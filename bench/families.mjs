// llama.cpp on the GGUF files that this project writes of the transformers goldens: `node bench/families.mjs [NAME ...]` (after
// `npm run build`) compares its logits with PyTorch's and 64 greedy tokens with ours; `--record` writes
// tests/parity/goldens/llama.cpp.json, which docs/models.md is made of.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { parseArgs } from 'node:util'
import { loadLlamaCpp } from '../dist/cli/peers/llamaCpp.js'
import { compile } from '../dist/compile.js'
import { openCheckpoint } from '../dist/formats/openCheckpoint.js'
import { quantizeModel } from '../dist/quantize/quantizeModel.js'
import { load } from '../dist/run/session.js'
import { readModel } from '../dist/templates/readModel.js'
import { best, exact, goldens, nmseOf, readGolden } from './golden.mjs'

const longest = 64
// Of the spread of the logits: below it, two of them are as good as equal.
const tie = 1e-3

const windowKey = 'attention.sliding_window'
// Families whose windows llama.cpp does not read: every layer attends to all tokens there.
const windowless = new Set(['llama', 'qwen2', 'qwen3', 'starcoder2', 'phi3'])

// What else it computes otherwise, by the golden's name.
const otherwise = {
  'qwen2-yarn': 'the limits of the blend',
  'phi3-longrope-short': 'that the context is short: it rounds it up to 256',
  'smollm3-list': 'the list of layers without positions, and windows',
}

const llamaCpp = loadLlamaCpp()
const dir = mkdtempSync(join(tmpdir(), 'ck-families-'))

/**
 * What llama.cpp makes of a GGUF file, or why it does not load it.
 * @param {string} file @param {Int32Array} ids @param {number} steps
 */
function askPeer(file, ids, steps) {
  let peer
  try {
    peer = llamaCpp.openModel(file)
  } catch (error) {
    const said = String(error)
    return { refused: /error loading model: ([^;)]*)/.exec(said)?.[1]?.replaceAll(/\s+/g, ' ') ?? said }
  }
  const rows = peer.logits(ids, exact)
  const context = peer.open(exact)
  context.append(ids)
  const greedy = []
  for (;;) {
    const [id = 0] = best(context.last(), 1)
    greedy.push(id)
    if (greedy.length === steps) break
    context.decode(Int32Array.of(id))
  }
  context.close()
  peer.close()
  return { rows, greedy }
}

/** Steps at which our choice is another one, with what it is ahead, in deviations of the logits. @param {string} folder */
async function compareChoices(folder, ids, greedy) {
  // A path of its own: a library that was loaded once is not read again.
  const out = join(dir, basename(folder))
  await compile(folder, { out, strict: true })
  const model = await load(out)
  const session = model.session({ threads: 2 })
  const logits = await session.logits([...ids, ...greedy.slice(0, -1)])
  await session.close()
  await model.close()
  rmSync(out, { recursive: true })
  const vocabulary = logits.length / (ids.length + greedy.length - 1)
  return greedy.flatMap((chosen, step) => {
    const at = (ids.length - 1 + step) * vocabulary
    const row = logits.subarray(at, at + vocabulary)
    const [ours = 0] = best(row, 1)
    const spread = Math.sqrt(row.reduce((sum, value) => sum + value ** 2, 0) / vocabulary)
    return ours === chosen ? [] : [{ step, ahead: (row[ours] - row[chosen]) / spread }]
  })
}

/** @param {string} name */
async function compareFamily(name) {
  const folder = join(goldens, name)
  const file = join(dir, 'model.gguf')
  const checkpoint = openCheckpoint(folder)
  await quantizeModel(checkpoint, file, { recipe: 'f32', threads: 1 })
  const { context } = readModel(checkpoint).sizes
  checkpoint.close()
  const golden = readGolden(join(folder, 'logits.safetensors'))
  const written = openCheckpoint(file)
  const { metadata } = written.description
  const hasIgnoredWindow = windowless.has(written.architecture) && metadata.has(`${written.architecture}.${windowKey}`)
  written.close()
  // The last choice is not fed.
  const steps = Math.min(longest, context + 1 - golden.ids.length)
  const answer = askPeer(file, golden.ids, steps)
  if ('refused' in answer) return answer
  const others = await compareChoices(folder, golden.ids, answer.greedy)
  const largest = Math.max(0, ...others.map(({ ahead }) => ahead))
  const ignored = otherwise[name] ?? (hasIgnoredWindow ? 'windows' : undefined)
  const note = largest > tie && ignored ? { ignores: ignored } : {}
  return {
    nmse: nmseOf(answer.rows, golden).toExponential(1),
    equal: steps - others.length,
    of: steps,
    ...(others.length > 0 ? { ahead: largest.toExponential(1) } : {}),
    agrees: largest <= tie,
    ...note,
  }
}

const { values, positionals } = parseArgs({
  options: { record: { type: 'boolean', default: false } },
  allowPositionals: true,
})
const names = readdirSync(goldens, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && !entry.name.startsWith('gguf-'))
  .map(({ name }) => name)
  .filter((name) => positionals.length === 0 || positionals.includes(name))
const models = {}
for (const name of names) {
  models[name] = await compareFamily(name)
  console.log(`${name.padEnd(26)} ${JSON.stringify(models[name])}`)
  if (models[name].agrees === false && !models[name].ignores) process.exitCode = 1
}
rmSync(dir, { recursive: true })
if (values.record) {
  const file = join(goldens, 'llama.cpp.json')
  const known = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')).models : {}
  const kept = Object.entries({ ...known, ...models }).filter(([name]) => existsSync(join(goldens, name)))
  const lines = kept.sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, result]) => `    ${JSON.stringify(name)}: ${JSON.stringify(result)}`)
  const head = `{\n  "peer": ${JSON.stringify(llamaCpp.name)},\n  "models": {\n`
  writeFileSync(file, `${head}${lines.join(',\n')}\n  }\n}\n`)
}
