import { createHash, type Hash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** The compiled or the TypeScript sources that run now, and the C sources, which lie in src/ either way. */
const folders = [new URL('..', import.meta.url), new URL('../../src/', import.meta.url)].map((url) =>
  fileURLToPath(url),
)

/** Folders whose files decide nothing about what a build writes. */
const indifferent: readonly string[] = ['cli', 'run', 'parity', 'report']

/**
 * SHA-256 over everything of this package that decides what a build writes, given equal input: another version, or a change
 * during development, gives another one.
 */
export function codeHash(): string {
  const hash = createHash('sha256')
  const [code = '', sources = ''] = folders
  addFiles(hash, code, /(?<!\.test|\.d)\.[jt]s$/, indifferent)
  addFiles(hash, sources, /\.[ch]$/, indifferent)
  return hash.digest('hex')
}

function addFiles(hash: Hash, folder: string, pattern: RegExp, without: readonly string[]): void {
  const entries = readdirSync(folder, { withFileTypes: true })
  for (const entry of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    if (entry.isDirectory()) {
      if (!without.includes(entry.name)) addFiles(hash, `${folder}${entry.name}/`, pattern, [])
    } else if (pattern.test(entry.name)) {
      hash.update(`${entry.name};`)
      hash.update(readFileSync(folder + entry.name))
    }
  }
}
