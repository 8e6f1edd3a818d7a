// What a quantised file loses in either engine: `node bench/divergence.mjs F32.gguf TEXT [--formats q8_0,q4_k_m] [--json]`.
// Every format of the list is made from the f32 file by ck quantize; then both engines read the same ids from the same file, and
// the KL divergence of their logits to ours of the f32 file is averaged. The ids are those of the text's last 5 %.
// (dist/, after `npm run build`.)
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { loadLlamaCpp } from '../dist/cli/peers/llamaCpp.js'
import { compile, load } from '../dist/index.js'
import { estimate, klDivergence, logSumExp } from '../dist/parity/tokenScore.js'

const ck = join(dirname(fileURLToPath(import.meta.url)), '..', 'dist', 'cli', 'main.js')
const plain = 'f16,bf16,q8_0,q5_1,q5_0,q4_1,q4_0,iq4_nl,mxfp4'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    formats: { type: 'string', default: plain },
    windows: { type: 'string', default: '24' },
    json: { type: 'boolean', default: false },
  },
})
const [source, text] = positionals
const windows = Number(values.windows)
if (source === undefined || text === undefined || !(windows > 0)) {
  console.error('divergence: takes F32.gguf TEXT [--formats LIST] [--windows N] [--json]')
  process.exit(2)
}

const llamaCpp = loadLlamaCpp()
const folder = mkdtempSync(join(tmpdir(), 'ck-divergence-'))
/** @typedef {(ids: Int32Array) => Promise<Float32Array[]> | readonly Float32Array[]} Logits */

/** Ours of a file. @param {string} file @param {string} name @param {boolean} strict */
async function openOurs(file, name, strict) {
  const { dir } = await compile(file, { out: join(folder, name), strict })
  const model = await load(dir)
  /** @type {Logits} */
  const logits = async (ids) => {
    const session = model.session({ threads: 2 })
    const rows = await session.logits(ids)
    session.close()
    const { vocabulary } = model.info
    return Array.from(ids, (_, at) => rows.subarray(at * vocabulary, (at + 1) * vocabulary))
  }
  return { model, logits }
}

/** Mean divergence over all tokens. @param {Logits} logits @param {readonly Float32Array[][]} base @param {readonly Int32Array[]} texts */
async function divergence(logits, base, texts) {
  const each = []
  for (const [i, ids] of texts.entries()) {
    const rows = await logits(ids)
    for (const [at, row] of rows.entries()) {
      const expected = /** @type {Float32Array} */ (base[i]?.[at])
      each.push(klDivergence(expected, logSumExp(expected), row, logSumExp(row)))
    }
  }
  return estimate(Float64Array.from(each))
}

try {
  const reference = await openOurs(source, 'base', true)
  const { context } = reference.model.info
  const whole = readFileSync(text)
  const ids = reference.model.tokenize(whole.subarray(Math.floor(whole.length * 0.95)).toString('utf8'))
  const size = Math.min(192, context)
  const texts = Array.from({ length: Math.min(windows, Math.floor(ids.length / size)) }, (_, i) =>
    Int32Array.from(ids.slice(i * size, (i + 1) * size)),
  )
  const base = []
  for (const window of texts) base.push(await reference.logits(window))
  await reference.model.close()
  const rows = []
  for (const format of values.formats.split(',')) {
    const file = join(folder, `${format}.gguf`)
    const made = spawnSync(process.execPath, [ck, 'quantize', source, file, '--format', format], { encoding: 'utf8' })
    if (made.status !== 0) throw new Error(made.stderr.trim().split('\n').at(-1))
    const ours = await openOurs(file, format, false)
    const mine = await divergence(ours.logits, base, texts)
    await ours.model.close()
    const peer = llamaCpp.openModel(file)
    const options = { threads: 2, context: size, batch: size, flashAttention: true, cache: /** @type {const} */ ('f16') }
    const theirs = await divergence((window) => peer.logits(window, options), base, texts)
    peer.close()
    rows.push({ format, ours: mine, theirs })
  }
  if (values.json) console.log(JSON.stringify({ tokens: texts.length * size, rows }, null, 1))
  else {
    console.log(`| ${texts.length * size} tokens | ours | ${llamaCpp.name} |\n| --- | ---: | ---: |`)
    const shown = (/** @type {import('../dist/parity/tokenScore.js').Estimate} */ { mean, standardError }) =>
      `${mean.toExponential(2)} ± ${standardError.toExponential(0)}`
    for (const row of rows) console.log(`| ${row.format} | ${shown(row.ours)} | ${shown(row.theirs)} |`)
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
