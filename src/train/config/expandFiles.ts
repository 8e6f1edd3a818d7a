import { existsSync, readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'

/**
 * The files that paths mean, from the folder `base`: `*` and `?` stand for parts of a name, `**` for any folders between.
 * In the order of the paths, and of the names within one; a file that several mean stands once. `missing` is told of a path
 * that means nothing.
 */
export function expandFiles(
  base: string,
  paths: readonly string[],
  missing: (path: string) => never,
): readonly string[] {
  const found = paths.flatMap((path) => {
    if (!/[*?]/.test(path)) {
      const file = resolve(base, path)
      return existsSync(file) ? [file] : missing(path)
    }
    const parts = path.split('/')
    const first = parts.findIndex((part) => /[*?]/.test(part))
    const folder = resolve(base, parts.slice(0, first).join('/') || (path.startsWith('/') ? '/' : '.'))
    const files = existsSync(folder) ? matching(folder, parts.slice(first)) : []
    return files.length > 0 ? files : missing(path)
  })
  return [...new Set(found)]
}

/** Files below a folder whose path from there fits the parts of a pattern. */
function matching(folder: string, [part = '', ...rest]: readonly string[]): readonly string[] {
  const entries = readdirSync(folder, { withFileTypes: true }).toSorted((a, b) => (a.name < b.name ? -1 : 1))
  if (part === '**') {
    const below = entries
      .filter((entry) => entry.isDirectory())
      .flatMap(({ name }) => matching(join(folder, name), [part, ...rest]))
    return [...matching(folder, rest.length > 0 ? rest : ['*']), ...below]
  }
  const escaped = part
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '[^/]*')
    .replaceAll('?', '[^/]')
  // As in a shell, names that begin with a dot are meant only where the dot is written.
  const pattern = new RegExp(`^${/^[*?]/.test(part) ? '(?!\\.)' : ''}${escaped}$`)
  const fitting = entries.filter(({ name }) => pattern.test(name))
  if (rest.length === 0) return fitting.filter((entry) => !entry.isDirectory()).map(({ name }) => join(folder, name))
  return fitting.filter((entry) => entry.isDirectory()).flatMap(({ name }) => matching(join(folder, name), rest))
}
