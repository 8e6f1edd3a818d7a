import { randomUUID } from 'node:crypto'
import {
  closeSync,
  ftruncateSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { hostname } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { fail } from '../base/errors.ts'
import { makeFolder } from '../base/makeFolder.ts'

/** The processes of one machine know of each other which are alive. */
const machine = hostname().replace(/[^A-Za-z0-9-]/g, '_')
const owned = new RegExp(`^\\.(\\d+)@${machine}\\.[0-9a-f-]+\\.part$`)

/**
 * The bytes of a blob that have arrived so far, beside it. While a process writes them, the file has that process's name;
 * one that nobody writes is taken over by the next who wants the blob, so that a download goes on where it ended, and no two
 * processes write to one file.
 */
export class PartFile {
  readonly #blob: string
  readonly #own: string
  readonly #file: number
  #size: number

  /** Use `PartFile.open`. */
  constructor(blob: string, own: string, file: number, size: number) {
    this.#blob = blob
    this.#own = own
    this.#file = file
    this.#size = size
  }

  /** Takes over what is there of a blob, or begins. Refuses `write_failed`. */
  static open(blob: string): PartFile {
    const own = `${blob}.${process.pid}@${machine}.${randomUUID()}.part`
    try {
      makeFolder(dirname(blob))
      abandonedParts(blob).some((name) => takeOver(name, own))
      const file = openSync(own, 'a+')
      return new PartFile(blob, own, file, statSync(own).size)
    } catch (error) {
      return refuse(blob, error)
    }
  }

  get size(): number {
    return this.#size
  }

  /** Appends. Refuses `write_failed`; what was written before is kept. */
  append(bytes: Uint8Array): void {
    try {
      for (let done = 0; done < bytes.length; ) done += writeSync(this.#file, bytes, done)
      this.#size += bytes.length
    } catch (error) {
      refuse(this.#blob, error)
    }
  }

  /** Forgets all bytes. */
  clear(): void {
    ftruncateSync(this.#file, 0)
    this.#size = 0
  }

  /** All bytes, in pieces that are valid until the next one. */
  *pieces(): Generator<Uint8Array> {
    const piece = new Uint8Array(1 << 20)
    for (let at = 0; at < this.#size; ) {
      const count = readSync(this.#file, piece, 0, piece.length, at)
      if (count === 0) return
      at += count
      yield piece.subarray(0, count)
    }
  }

  /** The bytes are the blob. Refuses `write_failed`. */
  finish(): void {
    closeSync(this.#file)
    try {
      renameSync(this.#own, this.#blob)
    } catch (error) {
      rmSync(this.#own, { force: true })
      refuse(this.#blob, error)
    }
  }

  /** Leaves the bytes to whoever goes on. */
  leave(): void {
    closeSync(this.#file)
    if (this.#size === 0) rmSync(this.#own, { force: true })
    else renameSync(this.#own, `${this.#blob}.part`)
  }

  /** The bytes are worth nothing. */
  remove(): void {
    closeSync(this.#file)
    rmSync(this.#own, { force: true })
  }
}

/** Parts of the blob that nobody writes, the largest first. */
function abandonedParts(blob: string): string[] {
  const folder = dirname(blob)
  const name = basename(blob)
  return readdirSync(folder)
    .filter((file) => file.startsWith(name))
    .filter((file) => {
      const rest = file.slice(name.length)
      const writer = owned.exec(rest)?.[1]
      return rest === '.part' || (writer !== undefined && !isAlive(Number(writer)))
    })
    .map((file) => join(folder, file))
    .map((path) => ({ path, size: statSync(path, { throwIfNoEntry: false })?.size ?? 0 }))
    .toSorted((a, b) => b.size - a.size)
    .map(({ path }) => path)
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}

/** Of several processes that want a part one gets it. */
function takeOver(part: string, own: string): boolean {
  try {
    renameSync(part, own)
    return true
  } catch {
    return false
  }
}

function refuse(blob: string, error: unknown): never {
  return fail('write_failed', {
    path: blob,
    cause: error instanceof Error && 'code' in error ? String(error.code) : '',
  })
}
