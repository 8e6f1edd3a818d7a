import { fail } from '../base/errors.ts'
import { ByteReader } from './byteReader.ts'
import type { ByteSource } from './byteSource.ts'
import type { MetadataType, MetadataValue, TensorRecord } from './checkpoint.ts'
import { describeValue, readMetadata } from './ggufMetadata.ts'
import { readTensors } from './ggufTensors.ts'
import { defaultAlignment, maxGgufHeaderBytes } from './ggufTypes.ts'

/** The four bytes that a GGUF file begins with, as a little-endian number. */
export const ggufMagic = 0x46554747

/** Header of one GGUF file. */
export interface GgufHeader {
  readonly metadata: ReadonlyMap<string, MetadataValue>
  readonly types: ReadonlyMap<string, MetadataType>
  readonly tensors: ReadonlyMap<string, TensorRecord>
  /** Metadata and tensor table end at this byte; padding and data follow. */
  readonly headerBytes: number
}

/**
 * Reads and checks the header of a GGUF file of version 2 or 3, little-endian, with or without tensors
 * (specification: ggml/docs/gguf.md). Tensor data is not touched. Refuses `file_malformed`,
 * `tensor_type_unsupported` and `tensor_shape`.
 */
export function readGguf(source: ByteSource): GgufHeader {
  const reader = new ByteReader(source, maxGgufHeaderBytes)
  readVersion(reader)
  const tensorCount = reader.size('number of tensors')
  const keyCount = reader.size('number of metadata keys')
  const { metadata, types } = readMetadata(reader, keyCount)
  const tensors = readTensors(reader, tensorCount, alignmentOf(source.path, metadata))
  return { metadata, types, tensors, headerBytes: reader.position }
}

function readVersion(reader: ByteReader): void {
  const { path } = reader.source
  if (reader.u32('the magic number') !== ggufMagic) {
    fail('file_malformed', { path, at: 0, what: 'the file does not begin with GGUF', accepted: 'GGUF version 2 or 3' })
  }
  const version = reader.u32('the version')
  if (version === 2 || version === 3) return
  const isSwapped = version !== 0 && version % 2 ** 16 === 0
  fail('file_malformed', {
    path,
    at: 4,
    what: isSwapped ? 'the file is big-endian' : `the file has GGUF version ${version}`,
    accepted: 'GGUF version 2 or 3, little-endian',
  })
}

function alignmentOf(path: string, metadata: ReadonlyMap<string, MetadataValue>): number {
  const value = metadata.get('general.alignment')
  if (value === undefined) return defaultAlignment
  if (typeof value === 'number' && value >= 8 && Number.isInteger(Math.log2(value))) return value
  fail('config_invalid', {
    path,
    key: 'general.alignment',
    found: describeValue(value),
    accepted: 'a power of two from 8 upwards',
  })
}
