// C Kernel Engine as a peer: builds the model with the package's API (dist/, after `npm run build`) and calls its library.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { compile, load } from '../dist/index.js'

/**
 * @param {string} path @param {{ threads: number, context: number }} options
 * @returns {Promise<import('./llamaCpp.mjs').Peer>}
 */
export async function openOurs(path, { threads, context }) {
  const parent = mkdtempSync(join(tmpdir(), 'ck-bench-'))
  const out = join(parent, 'run')
  await compile(path, { out, context })
  const model = await load(out)
  // Mapped files stay readable after their names are gone.
  rmSync(parent, { recursive: true })
  const session = model.session({ threads })
  const timed = async (/** @type {() => Promise<unknown>} */ work) => {
    const start = performance.now()
    await work()
    return (performance.now() - start) / 1000
  }
  return {
    name: 'C Kernel Engine',
    vocabulary: model.info.vocabulary,
    prefill: (ids) => timed(() => session.logits(ids, { rows: 1 })),
    async decode(ids) {
      const seconds = await timed(async () => {
        for (const id of ids) await session.append([id], { mode: 'decode', rows: 1 })
      })
      return seconds / ids.length
    },
    close: () => void model.close(),
  }
}
