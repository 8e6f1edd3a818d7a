import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fail } from '../base/errors.ts'
import { openFile } from '../formats/byteSource.ts'
import type { Json } from '../formats/checkpoint.ts'
import { asJsonObject, readJson } from '../formats/parseJson.ts'

const mostBytes = 256 * 2 ** 20

/** manifest.json of a run folder. */
export interface Manifest {
  readonly name: string
  readonly template: string
  readonly target: string
  readonly strict: boolean
  readonly context: number
  readonly vocabulary: number
  /** Width of what an encoder gives for a text; absent: the model continues text. */
  readonly embedding?: number
  readonly hasTokenizer: boolean
  readonly weightsBytes: number
  readonly memoryBytes: number
}

const manifestTypes: { readonly [K in Exclude<keyof Manifest, 'embedding'>]: 'string' | 'number' | 'boolean' } = {
  name: 'string',
  template: 'string',
  target: 'string',
  strict: 'boolean',
  context: 'number',
  vocabulary: 'number',
  hasTokenizer: 'boolean',
  weightsBytes: 'number',
  memoryBytes: 'number',
}

/** The manifest of the run folder `dir`; refuses `run_folder_invalid`. */
export function readManifest(dir: string): Manifest {
  const manifest = readArtifact(dir, 'manifest.json')
  if (manifest.format !== 1) fail('run_folder_invalid', { dir, what: 'manifest.json is of another format than 1' })
  for (const [key, type] of Object.entries(manifestTypes)) {
    const what = `manifest.json has no ${type} '${key}'`
    if (typeof manifest[key] !== type) fail('run_folder_invalid', { dir, what })
  }
  return manifest as unknown as Manifest
}

/** The JSON object in a file of the run folder; refuses `run_folder_invalid` where the file is missing. */
export function readArtifact(dir: string, name: string): { readonly [key: string]: Json } {
  const path = join(dir, name)
  if (!existsSync(path)) fail('run_folder_invalid', { dir, what: `${name} is missing` })
  const source = openFile(path)
  try {
    return asJsonObject(path, readJson(source, mostBytes), 'the file')
  } finally {
    source.close()
  }
}
