import type { z } from 'zod'
import { fail } from '../../base/errors.ts'
import { configSchema, type WrittenConfig } from './configSchema.ts'
import { nearestWord } from './nearest.ts'
import type { ConfigFile, ConfigPath } from './readConfigFile.ts'

type Issue = z.core.$ZodIssue

/** The config of a file, of the kinds that the schema wants. Refuses `config_key_unknown` and `config_invalid`. */
export function checkConfig(file: ConfigFile): WrittenConfig {
  const parsed = configSchema.safeParse(file.value ?? {})
  if (parsed.success) return parsed.data as WrittenConfig
  // An unknown key is often why another one is missing.
  const issues = parsed.error.issues
  refuseIssue(file, issues.find(({ code }) => code === 'unrecognized_keys') ?? issues[0]!)
}

function refuseIssue(file: ConfigFile, issue: Issue): never {
  const path = issue.path.map((part) => (typeof part === 'number' ? part : String(part)))
  if (issue.code === 'unrecognized_keys') refuseKey(file, path, issue.keys[0]!)
  const found = valueAt(file.value, path)
  fail('config_invalid', {
    path: file.at(path),
    key: keyText(path) || 'the config',
    found: found === undefined ? 'missing' : (JSON.stringify(found).slice(0, 60) ?? 'nothing'),
    accepted: acceptedInPlace(issue, found),
  })
}

function acceptedInPlace({ code, message }: Issue, found: unknown): string {
  if (code !== 'invalid_value' || typeof found !== 'string') return message
  const near = nearestWord(found, message.split(', '))
  return near === undefined ? message : `'${near}'? (of ${message})`
}

function refuseKey(file: ConfigFile, path: ConfigPath, key: string): never {
  const keys = keysAt(path)
  const near = nearestWord(key, keys)
  fail('config_key_unknown', {
    path: file.at([...path, key], 'key'),
    key: keyText([...path, key]),
    accepted: near === undefined ? keys.join(', ') : `'${near}'?`,
  })
}

/** `stages.0.batch` */
export function keyText(path: ConfigPath): string {
  return path.join('.')
}

function valueAt(value: unknown, path: ConfigPath): unknown {
  return path.reduce<unknown>((found, key) => (found as Record<string | number, unknown> | undefined)?.[key], value)
}

/** The keys that the schema has at a path. */
function keysAt(path: ConfigPath): readonly string[] {
  let schema: unknown = configSchema
  for (const part of path) schema = typeof part === 'number' ? itemOf(bare(schema)) : shapeOf(bare(schema))[part]
  return Object.keys(shapeOf(bare(schema))).filter((key) => key !== '$schema')
}

interface SchemaParts {
  readonly shape?: Readonly<Record<string, unknown>>
  readonly element?: unknown
  readonly def: { readonly innerType?: unknown }
}

/** A schema without what says that it may be left out. */
function bare(schema: unknown): SchemaParts {
  const { innerType } = (schema as SchemaParts).def
  return innerType === undefined ? (schema as SchemaParts) : bare(innerType)
}

const shapeOf = (schema: SchemaParts) => schema.shape ?? {}
const itemOf = (schema: SchemaParts) => schema.element
