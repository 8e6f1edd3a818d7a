import { isUtf8 } from 'node:buffer'
import { fail } from '../base/errors.ts'
import { openFile, readWhole } from '../formats/byteSource.ts'

const mostBytes = 256 * 2 ** 20

/** The text of a file as it is, a byte order mark included. Refuses what is no UTF-8, and files beyond 256 MiB. */
export function readText(path: string): string {
  const source = openFile(path)
  try {
    const bytes = readWhole(source, mostBytes)
    if (!isUtf8(bytes)) fail('file_malformed', { path, what: 'the file is no UTF-8 text', accepted: 'UTF-8' })
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8')
  } finally {
    source.close()
  }
}
