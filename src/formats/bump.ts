import { crc32 } from 'node:zlib'
import { fail } from '../base/errors.ts'
import { type ByteSource, openFile } from './byteSource.ts'
import { beginBeside } from './writeBeside.ts'

/** `weights.bump`, as `ck_bump_header` in src/engine/program.h lays it out. Sections begin at pages. */
const magic = 'CKWEIGHT'
const version = 1
const headerBytes = 128
const pageBytes = 4096
/** The header's checksum covers it from here on. */
const checkedFrom = 16
const idBytes = 32

/** What a `weights.bump` is made of. */
export interface BumpContent {
  /** 32 bytes that the program which reads the weights must carry too. */
  readonly weightsId: Uint8Array
  /** Sum of the bytes of `weights`. */
  readonly weightsBytes: number
  /** Read once, in order. */
  readonly weights: Iterable<Uint8Array>
  /** Tables of src/engine/tokenizer.h. Absent or empty: the model takes ids only. */
  readonly tokenizer?: Uint8Array
}

/** Checked header of a `weights.bump`. Offsets and sizes in bytes. */
export interface BumpHeader {
  readonly weightsId: Uint8Array
  readonly fileBytes: number
  readonly weightsOffset: number
  readonly weightsBytes: number
  readonly weightsCrc32: number
  /** 0 with `tokenizerBytes` 0: none. */
  readonly tokenizerOffset: number
  readonly tokenizerBytes: number
  readonly tokenizerCrc32: number
}

/** A `weights.bump` that is being written; `finish` or `abandon` ends it. */
export interface PendingBump {
  /** The next piece of the weights. */
  append(piece: Uint8Array): void
  /** Completes the file and gives it its name. */
  finish(tokenizer?: Uint8Array): void
  /** Removes what was written. */
  abandon(): void
}

/**
 * Begins `weights.bump` at `path`, for a writer that works piece by piece and may stop in between. Refuses `write_failed`;
 * `finish` refuses with `engine_failed` where other than `weightsBytes` bytes were given.
 */
export function beginBump(
  path: string,
  { weightsId, weightsBytes }: Pick<BumpContent, 'weightsId' | 'weightsBytes'>,
): PendingBump {
  if (weightsId.length !== idBytes) {
    fail('engine_failed', { what: `${path}: a weights id of ${weightsId.length} bytes; accepted: ${idBytes}` })
  }
  const { file, commit, abandon } = beginBeside(path)
  let weightsCrc32 = 0
  file.append(new Uint8Array(pageBytes))
  return {
    append(piece) {
      weightsCrc32 = crc32(piece, weightsCrc32)
      file.append(piece)
    },
    finish(tokenizer) {
      if (file.size - pageBytes !== weightsBytes) {
        const what = `${path}: ${file.size - pageBytes} bytes of weights were given; accepted: ${weightsBytes}, as planned`
        fail('engine_failed', { what })
      }
      let tokenizerOffset = 0
      if (tokenizer?.length) {
        file.pad(pageBytes)
        tokenizerOffset = file.size
        file.append(tokenizer)
      }
      const header = encodeHeader({
        weightsId,
        fileBytes: file.size,
        weightsOffset: pageBytes,
        weightsBytes,
        weightsCrc32,
        tokenizerOffset,
        tokenizerBytes: tokenizer?.length ?? 0,
        tokenizerCrc32: tokenizer ? crc32(tokenizer) : 0,
      })
      file.overwrite(0, header)
      commit()
    },
    abandon,
  }
}

/** Writes a whole `weights.bump`. The same content gives the same bytes. Refuses as `beginBump`, and leaves nothing then. */
export function writeBump(path: string, content: BumpContent): void {
  const pending = beginBump(path, content)
  try {
    for (const piece of content.weights) pending.append(piece)
    pending.finish(content.tokenizer)
  } catch (error) {
    pending.abandon()
    throw error
  }
}

/** Reads and checks the header of the `weights.bump` at `path`; the sections' checksums are not computed. */
export function readBumpHeader(path: string): BumpHeader {
  const source = openFile(path)
  try {
    return parseBumpHeader(source)
  } finally {
    source.close()
  }
}

/** The checked header of a `weights.bump`; refuses `file_malformed`. */
export function parseBumpHeader(source: ByteSource): BumpHeader {
  const bytes = Buffer.alloc(headerBytes)
  source.read(0, bytes)
  const refuse = (at: number, what: string, accepted: string) =>
    fail('file_malformed', { path: source.path, at, what, accepted })
  if (bytes.toString('latin1', 0, 8) !== magic) refuse(0, `does not begin with ${magic}`, 'a weights.bump file')
  if (bytes.readUInt32LE(8) !== version) refuse(8, `version ${bytes.readUInt32LE(8)}`, `version ${version}`)
  if (bytes.readUInt32LE(12) !== crc32(bytes.subarray(checkedFrom))) {
    refuse(12, 'the header does not match its checksum', 'an undamaged file')
  }
  const size = (at: number) => {
    const value = bytes.readBigUInt64LE(at)
    if (value > BigInt(source.size)) refuse(at, `${value} bytes`, `at most the file's ${source.size} bytes`)
    return Number(value)
  }
  const header: BumpHeader = {
    weightsId: new Uint8Array(bytes.subarray(16, 48)),
    fileBytes: size(48),
    weightsOffset: size(56),
    weightsBytes: size(64),
    weightsCrc32: bytes.readUInt32LE(72),
    tokenizerCrc32: bytes.readUInt32LE(76),
    tokenizerOffset: size(80),
    tokenizerBytes: size(88),
  }
  if (header.fileBytes !== source.size) {
    refuse(48, `the header says ${header.fileBytes} bytes`, `the file's ${source.size} bytes`)
  }
  checkSections(header, refuse)
  return header
}

function checkSections(header: BumpHeader, refuse: (at: number, what: string, accepted: string) => never): void {
  const { fileBytes, weightsOffset, weightsBytes, tokenizerOffset, tokenizerBytes } = header
  const weightsEnd = weightsOffset + weightsBytes
  if (weightsOffset % pageBytes !== 0 || weightsOffset < pageBytes || weightsEnd > fileBytes) {
    refuse(
      56,
      `weights at byte ${weightsOffset}, ${weightsBytes} bytes`,
      'whole pages after the header, within the file',
    )
  }
  if (tokenizerOffset === 0 && tokenizerBytes === 0) return
  const isOnPage = tokenizerOffset % pageBytes === 0
  if (!isOnPage || tokenizerOffset < weightsEnd || tokenizerOffset + tokenizerBytes > fileBytes) {
    const what = `tokenizer at byte ${tokenizerOffset}, ${tokenizerBytes} bytes`
    refuse(80, what, 'whole pages after the weights, within the file')
  }
}

function encodeHeader(header: BumpHeader): Buffer {
  const bytes = Buffer.alloc(headerBytes)
  bytes.write(magic, 'latin1')
  bytes.writeUInt32LE(version, 8)
  bytes.set(header.weightsId, 16)
  bytes.writeBigUInt64LE(BigInt(header.fileBytes), 48)
  bytes.writeBigUInt64LE(BigInt(header.weightsOffset), 56)
  bytes.writeBigUInt64LE(BigInt(header.weightsBytes), 64)
  bytes.writeUInt32LE(header.weightsCrc32, 72)
  bytes.writeUInt32LE(header.tokenizerCrc32, 76)
  bytes.writeBigUInt64LE(BigInt(header.tokenizerOffset), 80)
  bytes.writeBigUInt64LE(BigInt(header.tokenizerBytes), 88)
  bytes.writeUInt32LE(crc32(bytes.subarray(checkedFrom)), 12)
  return bytes
}
