import { readdirSync, readFileSync } from 'node:fs'
import { posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('../../', import.meta.url))

/** What a layer may import from another one: all of it, its types, or its types and these files. */
interface Permission {
  readonly layer: string
  readonly limit: 'none' | 'types'
  readonly files: readonly string[]
}

/** Reads the table of ARCHITECTURE.md §2. `everything` permits all layers. */
function readTable(): Map<string, readonly Permission[] | 'everything'> {
  const text = readFileSync(`${root}ARCHITECTURE.md`, 'utf8')
  const section = text.slice(text.indexOf('\n## 2. '), text.indexOf('\n## 3. '))
  const table = new Map<string, readonly Permission[] | 'everything'>()
  for (const line of section.split('\n').filter((row) => row.startsWith('| `'))) {
    const [folders = '', , may = ''] = line.split('|').slice(1, -1)
    const layers = [...folders.matchAll(/`(?:src\/)?([^`]+)`/g)].map(([, name = '']) => name)
    const permissions = may.trim() === 'everything' ? 'everything' : readPermissions(may)
    for (const layer of layers) table.set(layer, permissions)
  }
  return table
}

/** `base, plan (types, program.ts)`; `(C)` is no TypeScript. */
function readPermissions(cell: string): readonly Permission[] {
  if (cell.trim().startsWith('(')) return []
  return [...cell.matchAll(/([A-Za-z]+)(?: \(([^)]*)\))?/g)].map(([, layer = '', limits = '']) => ({
    layer,
    limit: limits === '' ? 'none' : 'types',
    files: limits.split(', ').filter((file) => file.endsWith('.ts')),
  }))
}

interface Import {
  readonly file: string
  readonly target: string
  readonly isType: boolean
}

/** The relative imports of a file, static and dynamic. */
function importsOf(file: string): Import[] {
  const text = readFileSync(`${root}src/${file}`, 'utf8')
  const statics = [...text.matchAll(/^(?:import|export)\b(\s+type\b)?([^'"]*?)\bfrom\s+'(\.[^']+)'/gm)]
  const others = [...text.matchAll(/(?:^import\s+|\bimport\()'(\.[^']+)'/gm)]
  return [
    ...statics.map(([, type, names = '', path = '']) => ({ path, isType: type !== undefined || isTypeList(names) })),
    ...others.map(([, path = '']) => ({ path, isType: false })),
  ].map(({ path, isType }) => ({ file, target: posix.join(posix.dirname(file), path), isType }))
}

/** `{ type A, type B }` */
function isTypeList(names: string): boolean {
  const list = /^\s*\{([^}]*)\}\s*$/
    .exec(names)?.[1]
    ?.split(',')
    .filter((name) => name.trim() !== '')
  return list?.every((name) => name.trim().startsWith('type ')) ?? false
}

const layerOf = (file: string) => file.split('/')[0]!

const files = readdirSync(`${root}src`, { recursive: true, encoding: 'utf8' })
  .map((file) => file.replaceAll('\\', '/'))
  .toSorted()
const sources = files.filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
const table = readTable()

describe('the layer table of ARCHITECTURE.md', () => {
  it('is found, and names every folder of src', () => {
    expect(table.size).toBeGreaterThan(15)
    const layers = new Set(sources.map(layerOf))
    // index.ts is the package's main export and holds nothing.
    expect([...layers].filter((layer) => !table.has(layer) && layer !== 'index.ts')).toEqual([])
  })

  it('permits only layers that it has', () => {
    const permitted = [...table.values()].flatMap((row) => (row === 'everything' ? [] : row))
    expect(permitted.map(({ layer }) => layer).filter((layer) => !table.has(layer))).toEqual([])
  })

  it('has no cycle', () => {
    const after = new Map([...table].map(([layer, row]) => [layer, row === 'everything' ? [] : row]))
    const reaches = (from: string, to: string, path: readonly string[]): boolean =>
      (after.get(from) ?? []).some(
        ({ layer, limit }) =>
          limit === 'none' && !path.includes(layer) && (layer === to || reaches(layer, to, [...path, layer])),
      )
    expect([...table.keys()].filter((layer) => reaches(layer, layer, []))).toEqual([])
  })

  it('holds for every import', () => {
    const broken = sources.flatMap(importsOf).filter(({ file, target, isType }) => {
      const row = table.get(layerOf(file)) ?? 'everything'
      if (row === 'everything' || layerOf(target) === layerOf(file)) return false
      const permission = row.find(({ layer }) => layer === layerOf(target))
      if (!permission) return true
      return permission.limit === 'types' && !isType && !permission.files.includes(posix.basename(target))
    })
    expect(broken.map(({ file, target }) => `${file} imports ${target}`)).toEqual([])
  })

  it('sees imports in all their forms', () => {
    const all = sources.flatMap(importsOf)
    expect(all).toContainEqual({ file: 'ops/add.ts', target: 'kernels/pointwise/pointwise.kernel.ts', isType: false })
    expect(all).toContainEqual({ file: 'ir/op.ts', target: 'kernels/kernel.ts', isType: true })
    expect(all.length).toBeGreaterThan(sources.length)
  })
})

describe('names', () => {
  const forbidden = /^(utils?|helpers?|common|misc|managers?|shared|new|old|v\d+)$/i

  it('of files and folders say what they hold', () => {
    const parts = files.flatMap((file) => file.split('/').map((part) => part.replace(/\..*$/, '')))
    expect([...new Set(parts)].filter((part) => forbidden.test(part))).toEqual([])
  })

  it('of TypeScript files are camelCase, of folders one lower-case word', () => {
    const modules = files.filter((file) => file.endsWith('.ts'))
    expect(modules.filter((file) => !/^[a-z][A-Za-z0-9]*(\.(kernel|test))?\.ts$/.test(posix.basename(file)))).toEqual(
      [],
    )
    const folders = new Set(modules.flatMap((file) => file.split('/').slice(0, -1)))
    expect([...folders].filter((folder) => !/^[a-z]+$/.test(folder))).toEqual([])
  })
})

describe('types', () => {
  it('never use any, ts-ignore or a default export', () => {
    const found = sources.filter((file) => {
      const text = readFileSync(`${root}src/${file}`, 'utf8')
      return /(?:\w:|<|\bas) any\b(?! \w)|@ts-(ignore|expect-error|nocheck)|^export default/m.test(text)
    })
    expect(found).toEqual([])
  })
})
