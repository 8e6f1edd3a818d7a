import { readFileSync } from 'node:fs'
import { isNode, LineCounter, parseDocument } from 'yaml'
import { fail } from '../../base/errors.ts'
import { statPath } from '../../formats/byteSource.ts'

const mostBytes = 2 ** 20

/** Where a value of a config stands, by its keys and places in lists. */
export type ConfigPath = readonly (string | number)[]

/** A file of YAML or JSON: its value, and where each part of it is written. */
export interface ConfigFile {
  readonly path: string
  readonly value: unknown
  /** `file:line:column` of the value at a path, or of its key. */
  at(path: ConfigPath, what?: 'value' | 'key'): string
}

/** Reads a config. JSON is read as the YAML that it is. Refuses `file_missing`, and `config_malformed` with its place. */
export function readConfigFile(path: string): ConfigFile {
  const status = statPath(path)
  if (!status.isFile()) fail('file_missing', { path, cause: 'not a regular file' })
  if (status.size > mostBytes) {
    const what = `the file has ${status.size} bytes`
    fail('file_malformed', { path, what, accepted: `at most ${mostBytes} bytes` })
  }
  return parseConfig(path, readFileSync(path, 'utf8'))
}

/** The same of a text; `path` is for messages. */
export function parseConfig(path: string, text: string): ConfigFile {
  const lines = new LineCounter()
  // JSON may be indented with tabs, which YAML has no place for.
  const isJson = path.endsWith('.json')
  const source = isJson ? text.replace(/^[\t ]+/gm, (indent) => indent.replaceAll('\t', ' ')) : text
  const document = parseDocument(source, { lineCounter: lines, prettyErrors: false })
  const place = (offset: number) => {
    const { line, col } = lines.linePos(offset)
    return `${path}:${line}:${col}`
  }
  const [error] = document.errors
  if (error) {
    fail('config_malformed', {
      path: place(error.pos[0]),
      what: error.message.replace(/[\s.]+$/, ''),
      form: isJson ? 'JSON' : 'YAML',
    })
  }
  const offsetOf = (node: unknown) => (isNode(node) ? node.range?.[0] : undefined)
  const keyOffset = (keys: ConfigPath): number | undefined => {
    const parent: unknown = keys.length > 1 ? document.getIn(keys.slice(0, -1), true) : document.contents
    const items = (parent as { items?: readonly { key?: unknown }[] } | undefined)?.items ?? []
    const own = items.find(
      ({ key }) => isNode(key) && String((key as { value?: unknown }).value) === String(keys.at(-1)),
    )
    return offsetOf(own?.key)
  }
  return {
    path,
    value: document.toJS({ maxAliasCount: 100 }) as unknown,
    at(keys, what = 'value') {
      if (keys.length === 0) return place(offsetOf(document.contents) ?? 0)
      const value = offsetOf(document.getIn(keys, true))
      const found = what === 'key' ? (keyOffset(keys) ?? value) : (value ?? keyOffset(keys))
      // What is missing is where it would have to be.
      return found === undefined ? this.at(keys.slice(0, -1)) : place(found)
    },
  }
}
