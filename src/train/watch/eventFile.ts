import { closeSync, openSync, readdirSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { makeFolder } from '../../base/makeFolder.ts'
import { orRefuseWrite } from '../../base/orRefuseWrite.ts'
import { eventRecord, startEvent, type Told, toldEvent, versionEvent } from './eventRecord.ts'

/** Seconds since 1970. */
export type Clock = () => number

const systemClock: Clock = () => Date.now() / 1000

/**
 * A TensorBoard event file. A resumed training begins another file in the same folder, which takes the place of what the earlier
 * ones say of later steps.
 */
export class EventFile {
  readonly path: string
  readonly #fd: number
  readonly #clock: Clock

  /** Begins a file of the folder for a training behind `step` updates. Refuses `write_failed`. */
  constructor(folder: string, step: number, clock: Clock = systemClock) {
    this.#clock = clock
    const seconds = clock()
    this.path = orRefuseWrite(folder, () => join(folder, freeName(folder, seconds)))
    this.#fd = orRefuseWrite(this.path, () => openSync(this.path, 'wx'))
    this.#write(versionEvent(seconds))
    this.#write(startEvent(seconds, step + 1))
  }

  /** Writes numbers or a text of a step; TensorBoard groups tags by what stands before their first slash. Refuses `write_failed`. */
  tell(step: number, told: Told): void {
    this.#write(toldEvent(this.#clock(), step, told))
  }

  close(): void {
    closeSync(this.#fd)
  }

  #write(event: Buffer): void {
    const record = eventRecord(event)
    orRefuseWrite(this.path, () => {
      for (let done = 0; done < record.length; ) done += writeSync(this.#fd, record, done)
    })
  }
}

/** Files are read in the order of their names: the seconds, then a number within them. */
function freeName(folder: string, seconds: number): string {
  makeFolder(folder)
  const begin = `events.out.tfevents.${String(Math.floor(seconds)).padStart(10, '0')}.ck.`
  const taken = readdirSync(folder).filter((name) => name.startsWith(begin)).length
  return begin + String(taken).padStart(4, '0')
}
