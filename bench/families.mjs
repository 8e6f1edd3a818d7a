// llama.cpp and the families: `node bench/families.mjs [NAME ...]` writes every transformers golden as a GGUF file in f32
// (after `npm run build`), has llama.cpp load it, and compares its logits with the oracles' and its 64 greedy ids with ours.
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { loadLlamaCpp } from '../dist/cli/peers/llamaCpp.js'
import { compile } from '../dist/compile.js'
import { openCheckpoint } from '../dist/formats/openCheckpoint.js'
import { quantizeModel } from '../dist/quantize/quantizeModel.js'
import { load } from '../dist/run/session.js'
import { best, exact, nmseOf, readGolden } from './readGolden.mjs'

const goldens = join(dirname(fileURLToPath(import.meta.url)), '..', 'tests', 'parity', 'goldens')
const greedyTokens = 64

/** What llama.cpp computes otherwise, by the golden's name; these are shown and judged by nobody. */
const differing = [
  [/^mistral$|^phi3$|-window$|-types$/, 'it has no windows in this family'],
  [/^smollm3-list$/, 'it has no windows in this family, and every fourth layer without positions'],
  [/^qwen2-yarn$/, 'it does not read the limits of the blend in this family'],
  [/^phi3-longrope-short$/, 'it rounds the context up to 256, for which the long factors are'],
]

/** It takes GELU from a table of half-precision floats. */
const limitOf = (/** @type {string} */ name) => (/^(gpt2|starcoder2|gemma)/.test(name) ? 1e-6 : 1e-11)

/** Where the leads of both engines are as small as this, rounding chooses. */
const nearTie = 1e-4

/** @param {string} name @param {string} dir */
async function writeGguf(name, dir) {
  const path = join(dir, `${name}.gguf`)
  const checkpoint = openCheckpoint(join(goldens, name))
  await quantizeModel(checkpoint, path, { recipe: 'f32', threads: 1 })
  checkpoint.close()
  return path
}

/** The first place where the greedy ids differ, with the lead there; undefined where none does. @param {string} path */
async function firstDifference(peer, path, ids, room) {
  // A library that was loaded once stays loaded under its path.
  const out = `${path}.run`
  await compile(path, { out, context: room, strict: true })
  const model = await load(out)
  const session = model.session({ threads: 1 })
  const theirs = peer.open({ ...exact, context: room })
  theirs.append(ids)
  let ours = await session.append(ids, { rows: 1 })
  try {
    for (let step = 0; step < greedyTokens; step++) {
      const [id = 0, next = 0] = best(ours, 2)
      const [other = 0] = best(theirs.last(), 1)
      if (id !== other) return { step, lead: (ours[id] ?? 0) - (ours[next] ?? 0) }
      theirs.decode(Int32Array.of(id))
      ours = await session.append([id], { rows: 1, mode: 'decode' })
    }
  } finally {
    theirs.close()
    await model.close()
  }
  return undefined
}

const llamaCpp = loadLlamaCpp()
const asked = process.argv.slice(2)
const names = readdirSync(goldens).filter((name) => existsSync(join(goldens, name, 'config.json')))
const dir = mkdtempSync(join(tmpdir(), 'ck-families-'))
try {
  for (const name of asked.length > 0 ? asked : names) {
    const path = await writeGguf(name, dir)
    const golden = readGolden(join(goldens, name, 'logits.safetensors'))
    let peer
    try {
      peer = llamaCpp.openModel(path)
    } catch (error) {
      console.log(`${name.padEnd(26)} llama.cpp does not load it: ${String(error).split('\n')[0]}`)
      continue
    }
    const checkpoint = openCheckpoint(path)
    const trained = [...checkpoint.description.metadata].find(([key]) => key.endsWith('.context_length'))?.[1]
    checkpoint.close()
    const room = Math.min(trained, golden.ids.length + greedyTokens)
    const nmse = nmseOf(golden, peer.logits(golden.ids, { ...exact, context: Math.min(trained, exact.context) }))
    const reason = differing.find(([pattern]) => pattern.test(name))?.[1]
    const difference = room < golden.ids.length + greedyTokens ? undefined : await firstDifference(peer, path, golden.ids, room)
    peer.close()
    const greedy = !difference
      ? `${room - golden.ids.length} greedy ids equal`
      : `greedy ids differ at ${difference.step}, lead ${difference.lead.toExponential(1)}`
    const agrees = nmse <= limitOf(name) && (!difference || difference.lead < nearTie)
    const verdict = reason ? `differs: ${reason}` : agrees ? 'agrees' : 'DISAGREES'
    console.log(`${name.padEnd(26)} nmse ${nmse.toExponential(1)}  ${greedy}  ${verdict}`)
    if (!reason && !agrees) process.exitCode = 1
  }
} finally {
  rmSync(dir, { recursive: true })
}
