import { createHash, type Hash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { codeFolder, sourceFolder } from '../base/packageRoot.ts'

/** Folders whose files decide nothing about what a build writes. */
const indifferent: readonly string[] = ['ck', 'cli', 'run', 'parity']

/**
 * SHA-256 over everything of this package that decides what a build writes, given equal input: another version, or a change
 * during development, gives another one.
 */
export function codeHash(): string {
  const hash = createHash('sha256')
  addFiles(hash, codeFolder, /(?<!\.test|\.d)\.[jt]s$/, indifferent)
  addFiles(hash, sourceFolder, /\.[ch]$/, indifferent)
  return hash.digest('hex')
}

function addFiles(hash: Hash, folder: string, pattern: RegExp, without: readonly string[]): void {
  const entries = readdirSync(folder, { withFileTypes: true })
  for (const entry of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    if (entry.isDirectory()) {
      if (!without.includes(entry.name)) addFiles(hash, join(folder, entry.name), pattern, [])
    } else if (pattern.test(entry.name)) {
      hash.update(`${entry.name};`)
      hash.update(readFileSync(join(folder, entry.name)))
    }
  }
}
