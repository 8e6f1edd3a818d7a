import { createHash, randomUUID } from 'node:crypto'
import { existsSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fail } from '../base/errors.ts'
import { makeFolder } from '../base/makeFolder.ts'
import { cacheFolder } from '../build/cacheFolder.ts'
import { resolveTarget } from '../build/targets.ts'
import type { Checkpoint } from '../formats/checkpoint.ts'
import { codeHash } from './codeHash.ts'
import type { Io } from './command.ts'

/** What a build depends on besides the checkpoint. */
export interface BuildChoice {
  readonly target?: string
  readonly context?: number
  readonly strict?: true
  readonly profile?: true
}

/** Where the run folder of this checkpoint lies in the cache, whether it is there yet or not. */
export function cachedPlace(checkpoint: Checkpoint, choice: BuildChoice): string {
  const parts = [
    checkpoint.fingerprint(),
    checkpoint.name,
    resolveTarget(choice.target).name,
    choice.context ?? 'default',
    choice.strict ?? false,
    choice.profile ?? false,
    codeHash(),
  ]
  return join(cacheFolder(), 'models', createHash('sha256').update(JSON.stringify(parts)).digest('hex'))
}

/**
 * Builds the checkpoint at `path` for the place `dir` of the cache. Several processes may do so at once: each builds beside
 * the place, the first to finish takes it, and the others use what they find there.
 */
export async function buildIntoCache(path: string, dir: string, choice: BuildChoice, io: Io): Promise<void> {
  removeLeftovers(dir)
  const own = `${dir}${beside}${randomUUID()}`
  const { compile } = await import('../compile.ts')
  try {
    await compile(path, { ...choice, out: own, signal: io.signal, onProgress: io.progress.show })
    place(own, dir)
  } finally {
    io.progress.end()
    rmSync(own, { recursive: true, force: true })
  }
}

const beside = '.building-'
const dayMilliseconds = 24 * 60 * 60 * 1000

function place(own: string, dir: string): void {
  try {
    renameSync(own, dir)
  } catch (error) {
    if (existsSync(join(dir, 'manifest.json'))) return
    fail('write_failed', {
      path: dir,
      cause: error instanceof Error && 'code' in error ? String(error.code) : 'rename',
    })
  }
}

/** Removes what builds that were killed have left beside the cache's folders. */
function removeLeftovers(dir: string): void {
  const models = join(dir, '..')
  try {
    makeFolder(models)
    for (const name of readdirSync(models)) {
      const path = join(models, name)
      const isOld = Date.now() - statSync(path).mtimeMs > dayMilliseconds
      if (name.includes(beside) && isOld) rmSync(path, { recursive: true, force: true })
    }
  } catch (error) {
    if (!existsSync(models)) {
      fail('write_failed', { path: models, cause: error instanceof Error && 'code' in error ? String(error.code) : '' })
    }
  }
}
