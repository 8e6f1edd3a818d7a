// llama.cpp and the committed goldens: `node bench/goldens.mjs` compares its logits with the oracles' on every GGUF
// golden (after `npm run build`); `--record PLAY` (tinyshakespeare.txt)
// also rewrites tests/parity/goldens/demo-llama.cpp.json from models/demo.gguf.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { loadLlamaCpp } from '../dist/cli/peers/llamaCpp.js'
import { best, exact, goldens, nmseOf, readGolden, root } from './golden.mjs'

const llamaCpp = loadLlamaCpp()

// llama.cpp rounds activations to the weights' precision or to 8 bits, so only F32 weights show whether the two agree
// on the model itself; the rest bounds what that rounding costs.
const limits = [
  [/f32$/, 1e-11],
  [/f16$/, 1e-4],
  // Everything else is in block formats.
  [/./, 1e-3],
]

/** Normalised mean squared error of llama.cpp's logits. @param {string} folder */
function compare(folder) {
  const file =
    readdirSync(folder)
      .sort()
      .find((name) => name.endsWith('.gguf')) ?? ''
  const golden = readGolden(join(folder, 'logits.safetensors'))
  const peer = llamaCpp.openModel(join(folder, file))
  const error = nmseOf(peer.logits(golden.ids, exact), golden)
  peer.close()
  return error
}

/**
 * 64 greedy choices behind a prompt.
 * @param {ReturnType<typeof llamaCpp.openModel>} peer @param {string} text
 */
function continueGreedily(peer, text) {
  const context = peer.open(exact)
  const prompt = peer.tokenize(text)
  context.append(prompt)
  const first = context.last()
  const greedy = []
  const margins = []
  for (let logits = first; greedy.length < 64; logits = context.last()) {
    const [id = 0, next = 0] = best(logits, 2)
    greedy.push(id)
    margins.push(Number(((logits[id] ?? 0) - (logits[next] ?? 0)).toFixed(4)))
    context.decode(Int32Array.of(id))
  }
  context.close()
  const lastPromptTop10 = best(first, 10).map((id) => ({ id, logit: first[id] }))
  return { text, prompt: [...prompt], greedy, margins, lastPromptTop10 }
}

/** Beginnings of speeches all over a play, a speaker and a line each. @param {string} play */
function beginnings(play) {
  const speeches = play.split('\n\n').map((speech) => `${speech.split('\n').slice(0, 2).join('\n')}\n`)
  const step = Math.max(1, Math.floor(speeches.length / 60))
  return speeches.filter((_, i) => i % step === 0)
}

/** Of the beginnings of a play the one whose choices are clearest while not repeating themselves: no rounding flips them. @param {string} file */
function recordDemo(file) {
  const peer = llamaCpp.openModel(join(root, 'models', 'demo.gguf'))
  const found = beginnings(readFileSync(file, 'utf8'))
    .map((text) => continueGreedily(peer, text))
    .filter(({ greedy }) => new Set(greedy).size >= 24)
    .toSorted((a, b) => Math.min(...b.margins) - Math.min(...a.margins))[0]
  peer.close()
  if (!found) throw new Error(`every beginning of ${file} makes the model repeat itself`)
  const golden = {
    recordedBy: `${llamaCpp.name} (@node-llama-cpp/linux-x64 3.22.1), CPU, f32 cache, no flash attention`,
    model: 'models/demo.gguf',
    ...found,
  }
  const lines = Object.entries(golden).map(([key, value]) => `  ${JSON.stringify(key)}: ${JSON.stringify(value)}`)
  writeFileSync(join(goldens, 'demo-llama.cpp.json'), `{\n${lines.join(',\n')}\n}\n`)
  console.log(`demo-llama.cpp.json: smallest margin ${Math.min(...found.margins)}`)
}

const { values } = parseArgs({ options: { record: { type: 'string' } } })
for (const name of readdirSync(goldens).filter((entry) => entry.startsWith('gguf-'))) {
  const nmse = compare(join(goldens, name))
  const limit = /** @type {number} */ (limits.find(([pattern]) => /** @type {RegExp} */ (pattern).test(name))?.[1] ?? 0)
  console.log(
    `${name.padEnd(26)} nmse ${nmse.toExponential(1)}  ${nmse <= limit ? 'agrees' : `DISAGREES (limit ${limit})`}`,
  )
  if (!(nmse <= limit)) process.exitCode = 1
}
if (values.record) recordDemo(values.record)
