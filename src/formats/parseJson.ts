import { isUtf8 } from 'node:buffer'
import { fail } from '../base/errors.ts'
import { type ByteSource, readWhole } from './byteSource.ts'
import type { Json } from './checkpoint.ts'
import { printable } from './names.ts'

export type JsonObject = { readonly [key: string]: Json }

/** Parses JSON text; refuses `file_malformed` with the parser's reason. `what` names the text. */
export function parseJson(path: string, text: string, what: string): Json {
  try {
    return JSON.parse(text) as Json
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    fail('file_malformed', { path, what: `${what} is not JSON (${printable(reason, 200)})`, accepted: 'JSON' })
  }
}

/** Reads and parses a whole JSON file of at most `limit` bytes. Refuses `file_malformed`. */
export function readJson(source: ByteSource, limit: number): Json {
  return parseJson(source.path, readText(source, limit, 'JSON in UTF-8'), 'the file')
}

/** Reads a whole file of at most `limit` bytes as text. Refuses `file_malformed` where it is no UTF-8. */
export function readText(source: ByteSource, limit: number, accepted = 'text in UTF-8'): string {
  const bytes = readWhole(source, limit)
  if (!isUtf8(bytes)) fail('file_malformed', { path: source.path, what: 'the file is not valid UTF-8', accepted })
  return new TextDecoder().decode(bytes)
}

export function isJsonObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The value as an object; refuses `file_malformed`. */
export function asJsonObject(path: string, value: Json | undefined, what: string): JsonObject {
  if (isJsonObject(value)) return value
  fail('file_malformed', { path, what: `${what} is ${describeJson(value)}`, accepted: 'a JSON object' })
}

/** A JSON value for a message, cut to a few words. */
export function describeJson(value: Json | undefined): string {
  if (value === undefined) return 'missing'
  if (isJsonObject(value)) return 'an object'
  if (Array.isArray(value)) return `an array of ${value.length} items`
  return printable(JSON.stringify(value))
}

/** The first key that the outermost object of valid JSON text has twice: the parser keeps only the last of them. */
export function findRepeatedKey(text: string): string | undefined {
  const seen = new Set<string>()
  let depth = 0
  for (let i = 0; i < text.length; i++) {
    const character = text[i]
    if (character === '{' || character === '[') depth++
    else if (character === '}' || character === ']') depth--
    else if (character === '"') {
      const end = findStringEnd(text, i)
      if (depth === 1 && /\s*:/y.test(text.slice(end + 1, end + 20))) {
        const key = JSON.parse(text.slice(i, end + 1)) as string
        if (seen.has(key)) return key
        seen.add(key)
      }
      i = end
    }
  }
  return undefined
}

function findStringEnd(text: string, begin: number): number {
  for (let i = begin + 1; i < text.length; i++) {
    if (text[i] === '\\') i++
    else if (text[i] === '"') return i
  }
  return text.length
}
