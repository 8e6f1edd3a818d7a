import { createHash } from 'node:crypto'
import { existsSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fail } from '../base/errors.ts'
import { makeFolder } from '../base/makeFolder.ts'
import { orRefuseWrite } from '../base/orRefuseWrite.ts'
import { resolveTarget } from '../build/targets.ts'
import type { Checkpoint } from '../formats/checkpoint.ts'
import type { CacheDtype } from '../ops/cacheWrite.ts'
import { codeHash } from './codeHash.ts'
import type { Io } from './command.ts'
import { buildsFolder, placeBeside, removeUnused } from './keptBuilds.ts'

/** What a build depends on besides the checkpoint. */
export interface BuildChoice {
  readonly target?: string
  readonly context?: number
  readonly strict?: true
  readonly cache?: CacheDtype
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
    choice.cache ?? 'default',
    choice.profile ?? false,
    codeHash(),
  ]
  return join(buildsFolder(), createHash('sha256').update(JSON.stringify(parts)).digest('hex'))
}

/**
 * Builds the checkpoint at `path` for the place `dir` of the cache. Several processes may do so at once: each builds beside
 * the place, the first to finish takes it, and the others use what they find there. Builds that no command has used for 30
 * days make room.
 */
export async function buildIntoCache(path: string, dir: string, choice: BuildChoice, io: Io): Promise<void> {
  makeRoom()
  const own = placeBeside(dir)
  const { compile } = await import('../compile.ts')
  try {
    await compile(path, { ...choice, out: own, signal: io.signal, onProgress: io.progress.show })
    place(own, dir)
  } finally {
    io.progress.end()
    rmSync(own, { recursive: true, force: true })
  }
}

/** `ck cache --help` says so too. */
const unusedDays = 30

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

/** What cannot be removed is no reason not to build. */
function makeRoom(): void {
  orRefuseWrite(buildsFolder(), () => makeFolder(buildsFolder()))
  try {
    removeUnused(unusedDays)
  } catch {}
}
