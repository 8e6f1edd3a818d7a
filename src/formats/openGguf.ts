import { fail } from '../base/errors.ts'
import { assembleCheckpoint, withFiles } from './assembleCheckpoint.ts'
import type { Checkpoint, MetadataValue } from './checkpoint.ts'
import type { Folder } from './folder.ts'
import { modelStem, readGgufShards } from './ggufShards.ts'

/** Opens the GGUF file `file` of `folder`, or the shard set that it is part of, as a checkpoint called `path`. */
export function openGguf(folder: Folder, file: string, path: string): Checkpoint {
  return withFiles((files) => {
    const { metadata, types, tensors } = readGgufShards(folder, file, files)
    return assembleCheckpoint({
      path,
      description: { format: 'gguf', metadata, types },
      architecture: requireText(path, metadata, 'general.architecture'),
      name: metadata.has('general.name') ? requireText(path, metadata, 'general.name') : modelStem(file),
      tensors,
      files,
    })
  })
}

function requireText(path: string, metadata: ReadonlyMap<string, MetadataValue>, key: string): string {
  const value = metadata.get(key)
  if (typeof value === 'string' && value !== '') return value
  const found = value === undefined ? 'missing' : value === '' ? 'empty' : 'not a string'
  fail('config_invalid', { path, key, found, accepted: 'a string' })
}
