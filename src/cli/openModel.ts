import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { CkError, fail } from '../base/errors.ts'
import type { Model } from '../run/session.ts'
import { type BuildChoice, buildIntoCache, cachedPlace } from './cachedBuild.ts'
import type { Io } from './command.ts'
import { markUsed } from './keptBuilds.ts'

/** Whether the path is a folder that `ck build` wrote. */
export function isRunFolder(path: string): boolean {
  return existsSync(join(path, 'manifest.json'))
}

/** Refuses options that only a build can follow where MODEL is built already. */
export function refuseBuildOptions(choice: { readonly [option: string]: unknown }): void {
  for (const [option, value] of Object.entries(choice)) {
    if (value === undefined) continue
    const accepted = 'with a checkpoint only; a run folder was built with its own (see ck inspect)'
    fail('option_invalid', { option: `--${option}`, found: String(value), accepted })
  }
}

/** Loads MODEL to run it: a run folder as it is, a checkpoint from its build in the cache, which is made if it is missing. */
export async function openModel(path: string, choice: BuildChoice, io: Io): Promise<Model> {
  const { load } = await import('../run/session.ts')
  if (isRunFolder(path)) {
    refuseBuildOptions({ ...choice })
    return load(path)
  }
  const dir = await placeOf(path, choice)
  if (existsSync(dir)) {
    try {
      const model = await load(dir)
      markUsed(dir)
      return model
    } catch (error) {
      // Somebody has damaged the cache; it is made again.
      if (!(error instanceof CkError && error.code === 'run_folder_invalid')) throw error
      rmSync(dir, { recursive: true, force: true })
    }
  }
  await buildIntoCache(path, dir, choice, io)
  return load(dir)
}

/**
 * Loads MODEL as openModel does, in a build that counts what its calls cost. Refuses a run folder that was built without
 * `--profile`.
 */
export async function openProfileBuild(path: string, choice: BuildChoice, io: Io): Promise<Model> {
  const model = await openModel(path, isRunFolder(path) ? choice : { ...choice, profile: true }, io)
  if (model.sites.length > 0) return model
  await model.close()
  const accepted = 'a checkpoint, or a run folder built with --profile (this one counts nothing)'
  return fail('option_invalid', { option: 'MODEL', found: path, accepted })
}

async function placeOf(path: string, choice: BuildChoice): Promise<string> {
  const { openCheckpoint } = await import('../formats/openCheckpoint.ts')
  const checkpoint = openCheckpoint(path)
  try {
    return cachedPlace(checkpoint, choice)
  } finally {
    checkpoint.close()
  }
}
