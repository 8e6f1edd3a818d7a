import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** src/engine. */
export const engine = fileURLToPath(new URL('../../src/engine/', import.meta.url))

const cache = fileURLToPath(new URL('../../node_modules/.cache/engine/', import.meta.url))

/**
 * The folder that `make` fills from the C of src/engine and of `sources` (paths) with `flags`, which it must not read anything
 * besides. It is kept under node_modules by all of that, so that test files share it.
 */
export function keptFolder(
  flags: readonly string[],
  sources: readonly string[],
  make: (folder: string) => void,
): string {
  const hash = createHash('sha256').update(JSON.stringify(flags))
  const files = readdirSync(engine)
    .filter((name) => /\.[ch]$/.test(name))
    .toSorted()
    .map((name) => join(engine, name))
  for (const path of [...files, ...sources]) hash.update(`${path} `).update(readFileSync(path))
  const kept = join(cache, hash.digest('hex').slice(0, 24))
  if (existsSync(kept)) return kept
  mkdirSync(dirname(kept), { recursive: true })
  const partial = mkdtempSync(`${kept}-`)
  try {
    make(partial)
    // Where another test file was quicker, its folder has the same content.
    if (!existsSync(kept)) renameSync(partial, kept)
  } finally {
    rmSync(partial, { recursive: true, force: true })
  }
  return kept
}
