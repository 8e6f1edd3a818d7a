// Speed beside llama.cpp: `node bench/compare.mjs MODEL.gguf --threads 2 -p 512 -n 64 --repeat 5`.
// Peers take turns in one process (A B A B ...), because timings from different moments do not compare.
import { parseArgs } from 'node:util'
import { openPeer } from './llamaCpp.mjs'
import { openOurs } from './ours.mjs'

/** @typedef {import('./llamaCpp.mjs').Peer} Peer */
/** @typedef {{ threads: number, context: number }} Options */

/** What takes turns, the reference first; ratios are of each to the first. @type {readonly ((path: string, options: Options) => Peer | Promise<Peer>)[]} */
const openers = [(path, options) => openPeer(path, { ...options, batch: 2048, flashAttention: true }), openOurs]

/** Seeded ids below `vocabulary`. @param {number} count @param {number} vocabulary */
function drawIds(count, vocabulary) {
  let state = 12345
  return Int32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * vocabulary)
  })
}

/** @param {readonly number[]} values */
function spreadOf(values) {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const median = sorted.length % 2 ? sorted[middle] : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2
  return { min: sorted[0] ?? 0, median: median ?? 0, max: sorted.at(-1) ?? 0 }
}

/** @param {string} label @param {readonly number[]} values @param {number} digits */
function line(label, values, digits) {
  const { min, median, max } = spreadOf(values)
  const cell = (/** @type {number} */ value) => value.toFixed(digits).padStart(9)
  return `${label.padEnd(34)} min ${cell(min)}  median ${cell(median)}  max ${cell(max)}`
}

/**
 * One turn: prefill from an empty cache, then decode behind `depth` tokens. Tokens per second.
 * @param {Peer} peer @param {{ prompt: Int32Array, depth: Int32Array, generated: Int32Array }} ids
 */
async function turn(peer, { prompt, depth, generated }) {
  const prefill = prompt.length / (await peer.prefill(prompt))
  await peer.prefill(depth)
  const decode = 1 / (await peer.decode(generated))
  return { prefill, decode }
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    threads: { type: 'string', default: '2' },
    prompt: { type: 'string', short: 'p', default: '512' },
    generate: { type: 'string', short: 'n', default: '64' },
    depth: { type: 'string', default: '1' },
    repeat: { type: 'string', default: '5' },
    json: { type: 'boolean', default: false },
  },
})
const [model] = positionals
const [threads = 0, promptTokens = 0, generateTokens = 0, depthTokens = 0, repeat = 0] = [
  values.threads,
  values.prompt,
  values.generate,
  values.depth,
  values.repeat,
].map(Number)
if (
  !model ||
  ![threads, promptTokens, generateTokens, depthTokens, repeat].every((n) => Number.isInteger(n) && n > 0)
) {
  console.error(
    'usage: node bench/compare.mjs MODEL.gguf [--threads N] [-p TOKENS] [-n TOKENS] [--depth TOKENS] [--repeat N] [--json]',
  )
  process.exit(2)
}

const context = Math.max(promptTokens, depthTokens + generateTokens)
const peers = await Promise.all(openers.map((open) => open(model, { threads, context })))
const ids = peers.map(({ vocabulary }) => ({
  prompt: drawIds(promptTokens, vocabulary),
  depth: drawIds(depthTokens, vocabulary),
  generated: drawIds(generateTokens, vocabulary),
}))
/** @type {{ prefill: number, decode: number }[][]} one list of turns per peer */
const turns = peers.map(() => [])
// Round 0 maps the weights and is not counted.
for (let round = 0; round <= repeat; round++) {
  for (const [index, peer] of peers.entries()) {
    const result = await turn(peer, /** @type {any} */ (ids[index]))
    if (round > 0) turns[index]?.push(result)
  }
}
for (const peer of peers) peer.close()

if (values.json) {
  const results = peers.map(({ name }, index) => ({ name, turns: turns[index] }))
  console.log(JSON.stringify({ threads, promptTokens, generateTokens, depthTokens, results }, null, 2))
} else {
  for (const kind of /** @type {const} */ (['prefill', 'decode'])) {
    const rates = turns.map((own) => own.map((result) => result[kind]))
    for (const [index, peer] of peers.entries()) {
      console.log(line(`${kind} t/s  ${peer.name}`, rates[index] ?? [], 2))
      if (index === 0) continue
      const ratios = (rates[index] ?? []).map((rate, round) => rate / (rates[0]?.[round] ?? Number.NaN))
      console.log(line(`${kind} ratio to ${peers[0]?.name}`, ratios, 3))
    }
  }
}
