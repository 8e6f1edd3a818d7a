import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fail } from '../base/errors.ts'
import { type ByteSource, memorySource, openFile } from './byteSource.ts'

/** Files that lie beside each other: a folder of the disk, or named bytes in memory. */
export interface Folder {
  /** For messages. */
  readonly path: string
  has(name: string): boolean
  /** Opens the file of this name; refuses `file_missing`. */
  open(name: string): ByteSource
}

/** A folder of the disk. */
export function diskFolder(path: string): Folder {
  return {
    path,
    has: (name) => existsSync(join(path, name)),
    open: (name) => openFile(join(path, name)),
  }
}

/** Named bytes as a folder; `path` is only a name for messages. */
export function memoryFolder(path: string, files: ReadonlyMap<string, Uint8Array>): Folder {
  return {
    path,
    has: (name) => files.has(name),
    open(name) {
      const bytes = files.get(name)
      if (!bytes) fail('file_missing', { path: `${path}/${name}` })
      return memorySource(`${path}/${name}`, bytes)
    },
  }
}
