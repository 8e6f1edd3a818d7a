import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { orRefuseWrite } from '../base/orRefuseWrite.ts'

/** An output file that has its final name only once it is whole. */
export interface PartialFile {
  /** Bytes appended so far. */
  readonly size: number
  append(bytes: Uint8Array): void
  /** Zero bytes up to the next multiple of `alignment`. */
  pad(alignment: number): void
  /** Overwrites bytes that were appended before. */
  overwrite(offset: number, bytes: Uint8Array): void
}

/** A file that is being written beside its place; exactly one of the two ends it. */
export interface PendingFile {
  readonly file: PartialFile
  /** Gives the file its name; an older one is replaced. */
  commit(): void
  /** Removes what was written; an older file at the place stays as it was. */
  abandon(): void
}

/** How a file gets its name. */
export interface WriteOptions {
  /** Only once the bytes are on the disk, so that a machine that loses its power has the older file or the whole new one. */
  readonly isDurable?: boolean
}

/**
 * Bytes that go to the system at once, at multiples of as many: file systems that can then keep a file in pages of this
 * size, and whoever maps it looks up fewer addresses.
 */
export const blockBytes = 2 ** 21

/** The name that a file of this path has until it is whole. */
export const partialName = (path: string) => `${path}.partial-${process.pid}`

/** Begins `path` under its partial name. Refuses `write_failed`. */
export function beginBeside(path: string, { isDurable = false }: WriteOptions = {}): PendingFile {
  const partial = partialName(path)
  const fd = orRefuseWrite(path, () => openSync(partial, 'w'))
  let isOpen = true
  const file = new BlockFile(path, fd)
  return {
    file,
    commit() {
      file.flush()
      if (isDurable) orRefuseWrite(path, () => fsyncSync(fd))
      isOpen = false
      orRefuseWrite(path, () => closeSync(fd))
      orRefuseWrite(path, () => renameSync(partial, path))
      if (isDurable) orRefuseWrite(path, () => syncFolder(dirname(path)))
    },
    abandon() {
      if (isOpen) closeSync(fd)
      rmSync(partial, { force: true })
    },
  }
}

/** Writes `path` whole or not at all. Refuses `write_failed`; what `write` itself raises goes through. */
export function writeBeside(path: string, write: (file: PartialFile) => void, options: WriteOptions = {}): void {
  const pending = beginBeside(path, options)
  try {
    write(pending.file)
    pending.commit()
  } catch (error) {
    pending.abandon()
    throw error
  }
}

/** Names of files are bytes of their folder. */
function syncFolder(path: string): void {
  // Windows opens no folders, and writes their entries with the file.
  if (process.platform === 'win32') return
  const fd = openSync(path, 'r')
  try {
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

/** Gathers what is appended into blocks. */
class BlockFile implements PartialFile {
  readonly #path: string
  readonly #fd: number
  readonly #block = Buffer.allocUnsafeSlow(blockBytes)
  /** Bytes at the end of the file that only the block has yet. */
  #gathered = 0
  #written = 0

  constructor(path: string, fd: number) {
    this.#path = path
    this.#fd = fd
  }

  get size(): number {
    return this.#written + this.#gathered
  }

  append(bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length; ) {
      const left = bytes.subarray(done)
      const room = blockBytes - (this.size % blockBytes)
      if (room === blockBytes && left.length >= blockBytes) {
        const whole = left.length - (left.length % blockBytes)
        this.#write(left.subarray(0, whole))
        done += whole
      } else {
        const taken = left.subarray(0, room)
        this.#block.set(taken, this.#gathered)
        this.#gathered += taken.length
        done += taken.length
        if (taken.length === room) this.flush()
      }
    }
  }

  pad(alignment: number): void {
    this.append(new Uint8Array(Math.ceil(this.size / alignment) * alignment - this.size))
  }

  overwrite(offset: number, bytes: Uint8Array): void {
    this.flush()
    this.#writeAt(offset, bytes)
  }

  /** Writes what was gathered. */
  flush(): void {
    const gathered = this.#block.subarray(0, this.#gathered)
    this.#gathered = 0
    this.#write(gathered)
  }

  #write(bytes: Uint8Array): void {
    this.#writeAt(this.#written, bytes)
    this.#written += bytes.length
  }

  #writeAt(offset: number, bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length; ) {
      const wanted = Math.min(bytes.length - done, 2 ** 30)
      done += orRefuseWrite(this.#path, () => writeSync(this.#fd, bytes, done, wanted, offset + done))
    }
  }
}
