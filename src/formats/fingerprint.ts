import { createHash, type Hash } from 'node:crypto'
import type { ByteSource } from './byteSource.ts'

const wholeBytes = 64 * 2 ** 20
const pieceBytes = 2 ** 20
const samples = 64
const sampleBytes = 64 * 1024

/** A file of a checkpoint, and how many bytes at its begin are header and tables. */
export interface FingerprintPart {
  readonly source: ByteSource
  readonly headerBytes: number
}

/**
 * SHA-256, hex, over the parts in their order. A file of up to 64 MiB is hashed whole; of a larger one its header, 64
 * evenly spaced samples of 64 KiB, its size and its time of change. Paths do not count.
 */
export function fingerprintOf(parts: readonly FingerprintPart[]): string {
  const hash = createHash('sha256')
  for (const { source, headerBytes } of parts) {
    hash.update(`${source.size};`)
    if (source.size <= wholeBytes) {
      addRange(hash, source, 0, source.size)
      continue
    }
    hash.update(`${source.modified};`)
    addRange(hash, source, 0, headerBytes)
    const last = source.size - sampleBytes
    for (let i = 0; i < samples; i++) addRange(hash, source, Math.floor((last * i) / (samples - 1)), sampleBytes)
  }
  return hash.digest('hex')
}

function addRange(hash: Hash, source: ByteSource, offset: number, bytes: number): void {
  const piece = new Uint8Array(Math.min(bytes, pieceBytes))
  for (let done = 0; done < bytes; done += piece.length) {
    const part = piece.subarray(0, Math.min(piece.length, bytes - done))
    source.read(offset + done, part)
    hash.update(part)
  }
}
