import { crc32 } from 'node:zlib'
import { fail } from '../../base/errors.ts'
import type { ByteSource } from '../../formats/byteSource.ts'

/**
 * A file of tokens, little-endian: a header of 64 bytes; ids [tokens] u16 or u32; from the next multiple of 8 on document
 * starts [documents] u64, ascending from 0; loss bits [tokens], the lowest bit of a byte first, where the header says so.
 */
export interface TokenHeader {
  /** Bytes of an id. */
  readonly idBytes: 2 | 4
  /** Without bits every token may be learnt. */
  readonly hasLossBits: boolean
  readonly tokens: number
  readonly documents: number
  /** Ids are below this. */
  readonly vocabulary: number
}

export const tokenMagic = 'CKTOKENS'
export const tokenHeaderBytes = 64
const version = 1
const checkedBytes = 60

/** Where the parts of a file lie, in bytes. */
export interface TokenLayout {
  readonly idsOffset: number
  readonly startsOffset: number
  readonly lossOffset: number
  readonly fileBytes: number
}

/** The places that follow from a header. */
export function tokenLayout({ idBytes, hasLossBits, tokens, documents }: TokenHeader): TokenLayout {
  const startsOffset = Math.ceil((tokenHeaderBytes + tokens * idBytes) / 8) * 8
  const lossOffset = startsOffset + documents * 8
  const fileBytes = lossOffset + (hasLossBits ? Math.ceil(tokens / 8) : 0)
  return { idsOffset: tokenHeaderBytes, startsOffset, lossOffset, fileBytes }
}

/** The header's bytes. */
export function encodeTokenHeader({ idBytes, hasLossBits, tokens, documents, vocabulary }: TokenHeader): Buffer {
  const bytes = Buffer.alloc(tokenHeaderBytes)
  bytes.write(tokenMagic, 0, 'latin1')
  bytes.writeUInt32LE(version, 8)
  bytes.writeUInt32LE(idBytes, 12)
  bytes.writeUInt32LE(hasLossBits ? 1 : 0, 16)
  bytes.writeBigUInt64LE(BigInt(tokens), 24)
  bytes.writeBigUInt64LE(BigInt(documents), 32)
  bytes.writeBigUInt64LE(BigInt(vocabulary), 40)
  bytes.writeUInt32LE(crc32(bytes.subarray(0, checkedBytes)), checkedBytes)
  return bytes
}

/** Reads and checks a header against the size of its file. Refuses `file_malformed`. */
export function readTokenHeader(source: ByteSource): TokenHeader {
  const refuse = (at: number, what: string, accepted: string) =>
    fail('file_malformed', { path: source.path, at, what, accepted })
  const bytes = Buffer.alloc(Math.min(tokenHeaderBytes, source.size))
  source.read(0, bytes)
  if (bytes.toString('latin1', 0, 8) !== tokenMagic) {
    refuse(0, `does not begin with ${tokenMagic}`, 'a token file that ck data prepare wrote')
  }
  if (bytes.length < tokenHeaderBytes) refuse(bytes.length, 'the file ends inside its header', 'a whole file')
  if (bytes.readUInt32LE(8) !== version) refuse(8, `version ${bytes.readUInt32LE(8)}`, `version ${version}`)
  if (bytes.readUInt32LE(checkedBytes) !== crc32(bytes.subarray(0, checkedBytes))) {
    refuse(checkedBytes, 'the header does not match its checksum', 'an undamaged file')
  }
  const idBytes = bytes.readUInt32LE(12)
  if (idBytes !== 2 && idBytes !== 4) return refuse(12, `ids of ${idBytes} bytes`, '2 or 4')
  const flags = bytes.readUInt32LE(16)
  if (flags > 1) refuse(16, `flags ${flags}`, '0 or 1')
  const count = (at: number, most: bigint) => {
    const value = bytes.readBigUInt64LE(at)
    return value <= most ? Number(value) : refuse(at, `a count of ${value}`, `at most ${most}`)
  }
  const tokens = count(24, BigInt(source.size))
  const header: TokenHeader = {
    ...{ idBytes, hasLossBits: flags === 1, tokens },
    documents: count(32, BigInt(tokens)),
    vocabulary: count(40, 2n ** 31n),
  }
  if (tokens > 0 && header.documents === 0) refuse(32, 'tokens without a document', 'at least one document')
  const { fileBytes } = tokenLayout(header)
  if (fileBytes !== source.size) {
    refuse(source.size, `the file has ${source.size} bytes`, `${fileBytes} bytes, as its header says`)
  }
  return header
}
