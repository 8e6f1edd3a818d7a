import { existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'

/** A checkpoint by its name in a folder; whether it is whole is another question. */
export interface FoundCheckpoint {
  readonly step: number
  readonly path: string
}

/** The name of the checkpoint behind so many updates. */
export const checkpointName = (step: number) => `step-${String(step).padStart(8, '0')}.safetensors`

/** The checkpoints of a folder, the newest (of the most updates) first; none where there is no such folder. */
export function listCheckpoints(folder: string): readonly FoundCheckpoint[] {
  const found = namesOf(folder).flatMap((name) => {
    const digits = /^step-(\d{8,15})\.safetensors$/.exec(name)?.[1]
    return digits === undefined ? [] : [{ step: Number(digits), path: join(folder, name) }]
  })
  return found.toSorted((a, b) => b.step - a.step)
}

/**
 * Removes the checkpoints that the one of `step` makes needless: all but the newest `keep` up to it, and those behind it,
 * which are of a line of training that was left for this one.
 */
export function pruneCheckpoints(folder: string, step: number, keep: number): void {
  const all = listCheckpoints(folder)
  const upTo = all.filter((one) => one.step <= step)
  for (const { path } of [...all.filter((one) => one.step > step), ...upTo.slice(keep)]) rmSync(path, { force: true })
}

/** Removes what processes that are no more have left half written. */
export function removePartials(folder: string): void {
  for (const name of namesOf(folder)) {
    const id = /^step-\d+\.safetensors\.partial-(\d{1,10})$/.exec(name)?.[1]
    if (id !== undefined && !isAlive(Number(id))) rmSync(join(folder, name), { force: true })
  }
}

function namesOf(folder: string): readonly string[] {
  return existsSync(folder) ? readdirSync(folder) : []
}

function isAlive(id: number): boolean {
  try {
    // Signal 0 is not delivered; only whether it could be is found out.
    return process.kill(id, 0)
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}
