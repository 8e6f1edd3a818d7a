// What bench/goldens.mjs and bench/families.mjs share: recorded references, and how llama.cpp is asked for them.
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = join(dirname(fileURLToPath(import.meta.url)), '..')
export const goldens = join(root, 'tests', 'parity', 'goldens')

/** How llama.cpp rounds least. */
export const exact = /** @type {const} */ ({ threads: 2, context: 256, batch: 256, cache: 'f32', flashAttention: false })

/** The golden's ids and float64 logits. @param {string} file */
export function readGolden(file) {
  const bytes = readFileSync(file)
  const length = Number(bytes.readBigUInt64LE(0))
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + length))
  const data = (/** @type {string} */ name) => {
    const [from, to] = header[name].data_offsets
    return Uint8Array.from(bytes.subarray(8 + length + from, 8 + length + to)).buffer
  }
  return {
    ids: new Int32Array(data('ids')),
    logits: new Float64Array(data('logits')),
    vocabulary: header.logits.shape[1],
  }
}

/**
 * Normalised mean squared error of rows of logits.
 * @param {readonly Float32Array[]} rows @param {ReturnType<typeof readGolden>} golden
 */
export function nmseOf(rows, { logits, vocabulary }) {
  const [error, norm] = rows.reduce(
    ([error, norm], row, token) => {
      const expected = logits.subarray(token * vocabulary, (token + 1) * vocabulary)
      return [
        error + row.reduce((sum, value, id) => sum + (value - (expected[id] ?? Number.NaN)) ** 2, 0),
        norm + expected.reduce((sum, value) => sum + value ** 2, 0),
      ]
    },
    [0, 0],
  )
  return error / norm
}

/** Ids by falling logit, the lower id first among equals. @param {Float32Array} logits @param {number} count */
export function best(logits, count) {
  return [...logits.keys()].sort((a, b) => (logits[b] ?? 0) - (logits[a] ?? 0) || a - b).slice(0, count)
}
