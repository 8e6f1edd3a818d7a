import { randomUUID } from 'node:crypto'
import { existsSync, readdirSync, renameSync, rmSync, type Stats, statSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { fail } from '../base/errors.ts'
import { cacheFolder } from '../build/cacheFolder.ts'
import { type Manifest, readManifest } from './readRunFolder.ts'

/** A run folder in the cache. */
export interface KeptBuild {
  readonly dir: string
  /** Undefined where the folder is damaged. */
  readonly manifest: Manifest | undefined
  readonly bytes: number
  /** When a command used it last. */
  readonly used: Date
}

/** Behind the name of a folder that is being built or removed; such a one stays only where a process was killed. */
const beside = '.building-'
const dayMilliseconds = 24 * 60 * 60 * 1000

/** The folder of the cache that holds builds. May not exist yet. */
export function buildsFolder(): string {
  return join(cacheFolder(), 'models')
}

/** A place beside `dir` that nobody else uses. */
export function placeBeside(dir: string): string {
  return `${dir}${beside}${randomUUID()}`
}

/** What the cache holds, the latest used first. */
export function keptBuilds(): readonly KeptBuild[] {
  return entries()
    .filter(({ isWhole }) => isWhole)
    .map(({ path, stats }) => ({ dir: path, manifest: manifestOf(path), bytes: bytesIn(path), used: stats.mtime }))
    .toSorted((a, b) => b.used.getTime() - a.used.getTime())
}

/** Says that a command uses the build. Of a cache that cannot be written nothing is removed either. */
export function markUsed(dir: string): void {
  const now = new Date()
  try {
    utimesSync(dir, now, now)
  } catch {}
}

/**
 * Removes the builds that no command has used for so many days, and gives their paths; also what killed processes left a day
 * ago or earlier. A program that runs one goes on. Refuses `write_failed`.
 */
export function removeUnused(days: number): readonly string[] {
  const now = Date.now()
  const old = entries().filter(({ isWhole, stats }) => {
    return now - stats.mtimeMs >= (isWhole ? days : 1) * dayMilliseconds
  })
  for (const { path, isWhole } of old) {
    try {
      // Whoever opens the build meanwhile finds all of it or nothing.
      const away = isWhole ? placeBeside(path) : path
      if (isWhole) renameSync(path, away)
      rmSync(away, { recursive: true, force: true })
    } catch (error) {
      const cause = error instanceof Error && 'code' in error ? String(error.code) : String(error)
      if (cause !== 'ENOENT') fail('write_failed', { path, cause })
    }
  }
  return old.flatMap(({ path, isWhole }) => (isWhole ? [path] : []))
}

/** Entries that another process removes meanwhile are not there. */
function entries(): readonly { readonly path: string; readonly isWhole: boolean; readonly stats: Stats }[] {
  const dir = buildsFolder()
  if (!existsSync(dir)) return []
  return readdirSync(dir).flatMap((name) => {
    const path = join(dir, name)
    const stats = statSync(path, { throwIfNoEntry: false })
    return stats ? [{ path, isWhole: !name.includes(beside), stats }] : []
  })
}

function manifestOf(dir: string): Manifest | undefined {
  try {
    return readManifest(dir)
  } catch {
    return undefined
  }
}

function bytesIn(dir: string): number {
  const files = readdirSync(dir, { recursive: true, encoding: 'utf8' })
  return files.reduce((sum, file) => sum + (statSync(join(dir, file), { throwIfNoEntry: false })?.size ?? 0), 0)
}
