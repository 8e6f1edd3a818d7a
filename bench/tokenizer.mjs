// Bytes of text per second to ids on one core: `node bench/tokenizer.mjs VOCABULARY TEXT...`.
// VOCABULARY is a GGUF file, a tokenizer.json or a tokenizer.model. Best of 7, with the engine's C as `ck tokenize` builds it.
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import koffi from 'koffi'
import { findCompiler } from '../dist/build/compiler.js'
import { openCheckpoint } from '../dist/formats/openCheckpoint.js'
import { compileTokenizer, readTokenizer } from '../dist/tokenizer/tokenizer.js'

const engine = fileURLToPath(new URL('../src/engine/', import.meta.url))
const [vocabulary, ...texts] = process.argv.slice(2)
if (!vocabulary || texts.length === 0) throw new Error('usage: node bench/tokenizer.mjs VOCABULARY TEXT...')

function describe(path) {
  const transformers = { format: 'transformers', config: {} }
  if (path.endsWith('.json')) return { ...transformers, tokenizer: JSON.parse(readFileSync(path, 'utf8')) }
  if (path.endsWith('.model')) return { ...transformers, sentencePiece: readFileSync(path) }
  return openCheckpoint(path).description
}

const contract = readTokenizer(describe(vocabulary), vocabulary)
const blob = compileTokenizer(contract)
console.log(`${basename(vocabulary)}: ${contract.kind}, ${contract.pieces.length} pieces`)

const dir = mkdtempSync(join(tmpdir(), 'ck-bench-'))
try {
  const sources = readdirSync(engine).filter((name) => /^(tokenizer_\w+|refuse|utf8)\.c$/.test(name))
  const { command } = await findCompiler()
  const file = join(dir, 'tokenizer.so')
  const flags = ['-std=c11', '-O2', '-fPIC', '-shared', '-I.', ...sources, '-lm', '-o', file]
  execFileSync(command[0], [...command.slice(1), ...flags], { cwd: engine })
  const library = koffi.load(file)
  const any = 'void *'
  const open = library.func('ck_tokenizer_open', 'int', [any, 'uint64_t', any, any])
  const encode = library.func('ck_tokenizer_encode', 'int', [any, any, 'int64_t', 'int', any, 'int64_t', any, any])
  const error = Buffer.alloc(512)
  const handle = new BigUint64Array(1)
  if (open(blob, blob.length, handle, error) !== 0) throw new Error(error.toString())
  for (const path of texts) {
    const text = readFileSync(path)
    const ids = new Int32Array(3 * text.length + 16)
    const count = new BigInt64Array(1)
    let best = Number.POSITIVE_INFINITY
    for (let round = 0; round < 7; round++) {
      const begin = performance.now()
      encode(handle[0], text, text.length, 0, ids, ids.length, count, error)
      best = Math.min(best, performance.now() - begin)
    }
    const speed = (text.length / best / 1000).toFixed(1)
    console.log(`${basename(path)}: ${text.length} bytes, ${count[0]} ids, ${best.toFixed(1)} ms, ${speed} MB/s`)
  }
} finally {
  rmSync(dir, { recursive: true, force: true })
}
