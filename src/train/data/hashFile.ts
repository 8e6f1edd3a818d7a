import { createHash } from 'node:crypto'
import { openFile } from '../../formats/byteSource.ts'

/** SHA-256 of a file, hex. Refuses `file_missing`. */
export function hashFile(path: string): string {
  const source = openFile(path)
  try {
    const hash = createHash('sha256')
    const piece = new Uint8Array(2 ** 20)
    for (let at = 0; at < source.size; at += piece.length) {
      const part = piece.subarray(0, Math.min(piece.length, source.size - at))
      source.read(at, part)
      hash.update(part)
    }
    return hash.digest('hex')
  } finally {
    source.close()
  }
}
