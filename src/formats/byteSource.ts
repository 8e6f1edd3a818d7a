import { closeSync, fstatSync, openSync, readSync, type Stats, statSync } from 'node:fs'
import { fail } from '../base/errors.ts'

/** Bytes that are read piece by piece: a file, or memory. The readers of this folder see nothing else. */
export interface ByteSource {
  /** For messages and tensor records. */
  readonly path: string
  /** In bytes. */
  readonly size: number
  /** Last change in milliseconds since 1970; 0 for memory. */
  readonly modified: number
  /** Fills the whole of `into` from byte `offset`; refuses `file_malformed` where the source ends before that. */
  read(offset: number, into: Uint8Array): void
  close(): void
}

/** Opens a regular file for reading. Refuses `file_missing`. The file stays open until `close`. */
export function openFile(path: string): ByteSource {
  const fd = whereSystemRefuses(path, () => {
    // Opening a pipe or a device could wait for ever, so the kind is asked before.
    if (!statPath(path).isFile()) fail('file_missing', { path, cause: 'not a regular file' })
    return openSync(path, 'r')
  })
  const { size, mtimeMs } = fstatSync(fd)
  let isOpen = true
  return {
    path,
    size,
    modified: mtimeMs,
    read(offset, into) {
      if (!isOpen) fail('engine_failed', { what: `${path}: was closed and is read again` })
      let done = 0
      while (done < into.length) {
        const wanted = Math.min(into.length - done, 2 ** 30)
        const got = whereSystemRefuses(path, () => readSync(fd, into, done, wanted, offset + done))
        if (got === 0) refuseEnd(path, offset, into.length, offset + done)
        done += got
      }
    },
    close() {
      if (isOpen) closeSync(fd)
      isOpen = false
    },
  }
}

/** What the system says of a path; refuses `file_missing`. */
export function statPath(path: string): Stats {
  if (path.includes('\0')) fail('file_missing', { path: JSON.stringify(path), cause: 'a zero byte in the name' })
  return whereSystemRefuses(path, () => statSync(path))
}

/** The given bytes as a source; `path` is only a name for messages. */
export function memorySource(path: string, bytes: Uint8Array): ByteSource {
  return {
    path,
    size: bytes.length,
    modified: 0,
    read(offset, into) {
      if (offset + into.length > bytes.length) refuseEnd(path, offset, into.length, bytes.length)
      into.set(bytes.subarray(offset, offset + into.length))
    },
    close() {},
  }
}

/** Reads a whole small file, at most `limit` bytes. Refuses `file_malformed` beyond that. */
export function readWhole(source: ByteSource, limit: number): Uint8Array {
  if (source.size > limit) {
    fail('file_malformed', {
      path: source.path,
      what: `the file has ${source.size} bytes`,
      accepted: `at most ${limit} bytes`,
    })
  }
  const bytes = new Uint8Array(source.size)
  source.read(0, bytes)
  return bytes
}

function refuseEnd(path: string, offset: number, wanted: number, end: number): never {
  fail('file_malformed', {
    path,
    at: end,
    what: `the file ends here, inside ${wanted} bytes that begin at byte ${offset}`,
    accepted: 'the whole file',
  })
}

function whereSystemRefuses<T>(path: string, action: () => T): T {
  try {
    return action()
  } catch (error) {
    if (error instanceof Error && 'syscall' in error) {
      fail('file_missing', { path, cause: 'code' in error ? String(error.code) : error.message })
    }
    throw error
  }
}
