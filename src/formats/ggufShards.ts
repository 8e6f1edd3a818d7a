import { isDeepStrictEqual } from 'node:util'
import { fail } from '../base/errors.ts'
import { parseShardName, shardNames } from '../base/shardNames.ts'
import type { MetadataValue, TensorRecord } from './checkpoint.ts'
import type { FingerprintPart } from './fingerprint.ts'
import type { Folder } from './folder.ts'
import { type GgufHeader, readGguf } from './gguf.ts'
import { describeValue } from './ggufMetadata.ts'

/** The tables of a GGUF model that lies in one file or in several. */
export type GgufTables = Pick<GgufHeader, 'metadata' | 'types' | 'tensors'>

/**
 * Reads a GGUF file, and where its name is that of a shard the whole set beside it. Metadata is that of the first shard.
 * The files it opens are appended to `opened` in order. Refuses `file_missing` for an absent shard, `file_malformed` and
 * `config_invalid` for shards that do not belong together, and as `readGguf`.
 */
export function readGgufShards(folder: Folder, file: string, opened: FingerprintPart[]): GgufTables {
  const shard = parseShardName(file)
  const names = shard ? shardNames(shard) : [file]
  const headers: GgufHeader[] = []
  for (const [i, name] of names.entries()) {
    const source = folder.open(name)
    opened.push({ source, headerBytes: 0 })
    const header = readGguf(source)
    opened[i] = { source, headerBytes: header.headerBytes }
    checkSplit(source.path, header.metadata, i, names.length, shard !== undefined)
    headers.push(header)
  }
  const paths = opened.map(({ source }) => source.path)
  const { metadata, types } = headers[0]!
  return { metadata, types, tensors: mergeShards(paths, headers) }
}

/** The name without its shard part and without `.gguf`. */
export function modelStem(file: string): string {
  return parseShardName(file)?.stem ?? file.replace(/\.gguf$/i, '')
}

function checkSplit(
  path: string,
  metadata: ReadonlyMap<string, MetadataValue>,
  index: number,
  count: number,
  isShard: boolean,
): void {
  const splitCount = metadata.get('split.count')
  const isAlone = splitCount === undefined || splitCount === 0 || splitCount === 1
  if (count === 1 && isAlone) return
  if (!isShard) {
    fail('config_invalid', {
      path,
      key: 'split.count',
      found: describeValue(splitCount),
      accepted:
        'nothing or 1 in a file whose name does not end like -00001-of-00002.gguf; keep the names of the shards',
    })
  }
  const expected = { 'split.count': count, 'split.no': index }
  for (const [key, value] of Object.entries(expected)) {
    if (metadata.get(key) === value) continue
    fail('config_invalid', {
      path,
      key,
      found: describeValue(metadata.get(key)),
      accepted: `${value}, as the file's name says`,
    })
  }
}

function mergeShards(paths: readonly string[], headers: readonly GgufHeader[]): Map<string, TensorRecord> {
  const metadata = headers[0]!.metadata
  const tensors = new Map<string, TensorRecord>()
  for (const [i, header] of headers.entries()) {
    const path = paths[i]!
    for (const [key, value] of header.metadata) {
      const isOwn = key === 'split.no' || key === 'general.alignment'
      if (isOwn || isDeepStrictEqual(metadata.get(key), value)) continue
      fail('config_invalid', {
        path,
        key,
        found: describeValue(value),
        accepted: 'keys and values that the first shard has',
      })
    }
    for (const [name, record] of header.tensors) {
      const other = tensors.get(name)
      if (other) {
        const what = `tensor '${name}' is also in ${other.file}`
        fail('file_malformed', { path, at: record.offset, what, accepted: 'each tensor in one shard' })
      }
      tensors.set(name, record)
    }
  }
  const declared = metadata.get('split.tensors.count')
  if (declared !== undefined && declared !== tensors.size) {
    fail('config_invalid', {
      path: paths[0]!,
      key: 'split.tensors.count',
      found: describeValue(declared),
      accepted: `${tensors.size}, which is what the shards hold`,
    })
  }
  return tensors
}
