import { createHash } from 'node:crypto'
import { readdirSync, statSync } from 'node:fs'
import { join, relative, resolve, sep } from 'node:path'
import { hashFile } from '../data/hashFile.ts'
import type { TrainConfig } from './trainConfig.ts'

/** What a training was asked for, for its run folder. */
export interface ConfigHash {
  /** The config as JSON with keys in order, every key there, paths from the config's folder. */
  readonly text: string
  /** SHA-256 of that text and of the files, hex. */
  readonly sha256: string
  /** The files that it names, by their paths from its folder. */
  readonly files: readonly { readonly path: string; readonly bytes: number; readonly sha256: string }[]
}

/**
 * Hashes a config and the files that it names; of a folder all files in it, and what is not there yet is left out. The same
 * on every machine: `folder` is that of the config file. Refuses `file_missing`.
 */
export function hashConfig(config: TrainConfig, folder: string): ConfigHash {
  const base = resolve(folder)
  const outside = (path: string) => relative(base, path).split(sep).join('/')
  const text = `${JSON.stringify(ordered(config, outside), null, 1)}\n`
  const files = [...new Set(pathsOf(config).flatMap(filesAt))]
    .map((path) => ({ path: outside(path), bytes: statSync(path).size, sha256: hashFile(path) }))
    .toSorted((a, b) => (a.path < b.path ? -1 : 1))
  const hash = createHash('sha256').update(text)
  for (const { path, sha256 } of files) hash.update(`${path}\n${sha256}\n`)
  return { text, sha256: hash.digest('hex'), files }
}

/** Keys whose values are paths, or lists of them. */
const pathKeys: readonly string[] = ['path', 'files']

/** A value with the keys of every object in order and paths as the config's folder sees them. */
function ordered(value: unknown, outside: (path: string) => string, key = ''): unknown {
  if (typeof value === 'string') return isPath(key, value) ? outside(value) : value
  if (Array.isArray(value)) return value.map((item) => ordered(item, outside, key))
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(entries.map(([name, item]) => [name, ordered(item, outside, name)]))
}

/** The file of a chat template stands beside the files that it is for; the template of a model is a name. */
function isPath(key: string, value: string): boolean {
  return pathKeys.includes(key) || (key === 'template' && value === resolve(value))
}

function pathsOf(value: unknown, key = ''): readonly string[] {
  if (typeof value === 'string') return isPath(key, value) ? [value] : []
  if (typeof value !== 'object' || value === null) return []
  if (Array.isArray(value)) return value.flatMap((item) => pathsOf(item, key))
  return Object.entries(value).flatMap(([name, item]) => pathsOf(item, name))
}

function filesAt(path: string): readonly string[] {
  const status = statSync(path, { throwIfNoEntry: false })
  if (!status?.isDirectory()) return status?.isFile() ? [path] : []
  return readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ name }) => join(path, name))
}
