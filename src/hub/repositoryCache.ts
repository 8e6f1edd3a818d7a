import { randomUUID } from 'node:crypto'
import {
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fail } from '../base/errors.ts'
import { makeFolder } from '../base/makeFolder.ts'
import type { HubName } from './hubName.ts'
import type { HubFile } from './listing.ts'

/**
 * A repository in the hub's cache, in the layout that all of the hub's tools share: `blobs/<hash>` holds bytes,
 * `snapshots/<commit>/<path>` links to them, `refs/<revision>` says a commit. Several processes may write at once: whatever
 * is written appears under its name only when it is whole.
 */
export class RepositoryCache {
  readonly #folder: string

  /** `folder` is `models--org--repo` in the cache; it may not exist yet. */
  constructor(folder: string) {
    this.#folder = folder
  }

  snapshot(commit: string): string {
    return join(this.#folder, 'snapshots', commit)
  }

  blob(hash: string): string {
    return join(this.#folder, 'blobs', hash)
  }

  /** The commit that a revision was when it was last asked for; a commit is its own. */
  commitOf(revision: string): string | undefined {
    const path = join(this.#folder, 'refs', revision)
    if (existsSync(path) && statSync(path).isFile()) {
      const commit = readFileSync(path, 'utf8').trim()
      if (/^[0-9a-f]{40}$/.test(commit)) return commit
    }
    return /^[0-9a-f]{40}$/.test(revision) ? revision : undefined
  }

  /** The paths of a snapshot whose bytes are here. */
  pathsOf(commit: string): readonly string[] {
    const root = this.snapshot(commit)
    if (!existsSync(root)) return []
    return readdirSync(root, { recursive: true, encoding: 'utf8' })
      .map((path) => path.replaceAll('\\', '/'))
      .filter((path) => existsSync(join(root, path)) && statSync(join(root, path)).isFile())
      .toSorted()
  }

  /** Whether a file of a snapshot is here, whole. */
  has(commit: string, { path, size }: HubFile): boolean {
    const place = join(this.snapshot(commit), path)
    return existsSync(place) && statSync(place).size === size
  }

  hasBlob({ hash, size }: HubFile): boolean {
    const place = this.blob(hash)
    return existsSync(place) && statSync(place).size === size
  }

  /** Links a file of a snapshot to its blob; copies where the system has no links. */
  link(commit: string, { path, hash }: HubFile): void {
    const place = join(this.snapshot(commit), path)
    const target = this.blob(hash)
    this.#appear(place, (beside) => {
      try {
        symlinkSync(relative(dirname(place), target), beside)
      } catch {
        copyFileSync(target, beside)
      }
    })
  }

  /** Remembers which commit a revision is. */
  remember({ revision }: HubName, commit: string): void {
    if (revision !== commit)
      this.#appear(join(this.#folder, 'refs', revision), (beside) => writeFileSync(beside, commit))
  }

  #appear(place: string, write: (beside: string) => void): void {
    const beside = `${place}.${randomUUID()}`
    try {
      makeFolder(dirname(place))
      write(beside)
      renameSync(beside, place)
    } catch (error) {
      rmSync(beside, { force: true })
      fail('write_failed', { path: place, cause: error instanceof Error && 'code' in error ? String(error.code) : '' })
    }
  }
}
