import { basename, dirname } from 'node:path'
import { fail } from '../base/errors.ts'
import { openFile, statPath } from './byteSource.ts'
import type { Checkpoint } from './checkpoint.ts'
import { diskFolder } from './folder.ts'
import { openGguf } from './openGguf.ts'
import { openTransformers } from './openTransformers.ts'

/**
 * Opens a model: a GGUF file, any shard of a GGUF set, a `.safetensors` file whose folder has `config.json`, or a
 * transformers folder. Headers are read and checked, tensor data is not. The caller closes it. Refuses `file_missing`,
 * `format_unknown`, `file_malformed`, `config_invalid`, `tensor_type_unsupported` and `tensor_shape`.
 */
export function openCheckpoint(path: string): Checkpoint {
  if (statPath(path).isDirectory()) {
    const folder = diskFolder(path)
    if (!folder.has('config.json')) fail('format_unknown', { path, found: 'a folder without config.json' })
    return openTransformers(folder, path)
  }
  const folder = diskFolder(dirname(path))
  const begin = readBegin(path)
  if (begin.toString('latin1') === 'GGUF') return openGguf(folder, basename(path), path)
  if (path.endsWith('.safetensors')) return openTransformers(folder, path, basename(path))
  fail('format_unknown', { path, found: describeBegin(begin) })
}

function readBegin(path: string): Buffer {
  const source = openFile(path)
  try {
    const begin = Buffer.alloc(Math.min(4, source.size))
    source.read(0, begin)
    return begin
  } finally {
    source.close()
  }
}

function describeBegin(begin: Buffer): string {
  if (begin.length === 0) return 'nothing (the file is empty)'
  return `the bytes ${begin.toString('hex').replace(/..(?=.)/g, '$& ')}`
}
