// src/ as JavaScript in dist/: every module by itself, and `ck` as one file, dist/ck/main.js, for Node takes about a
// millisecond for each file that it loads, and `ck train` needs 500. Packages that the one file holds are in licenses.txt
// beside it. Types are taken away, not checked: that takes a hundred times as long, and is the work of tsc in `npm test`.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { rolldown } from 'rolldown'
import { transformSync } from 'rolldown/utils'
import { root, sources } from './prepare.mjs'

const dist = join(root, 'dist')
const folder = join(dist, 'ck')

// Native code, and what is loaded by name when it is needed.
const external = ['koffi', 'cli-progress', '@huggingface/hub']

rmSync(folder, { recursive: true, force: true })
for (const name of sources()) {
  const { code, errors } = transformSync(name, readFileSync(join(root, 'src', name), 'utf8'), {
    typescript: { rewriteImportExtensions: 'rewrite' },
  })
  if (errors.length > 0) throw new Error(`src/${name}: ${errors.map(({ message }) => message).join('; ')}`)
  const path = join(dist, name.replace(/\.ts$/, '.js'))
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, code)
}

const bundle = await rolldown({ input: join(dist, 'cli', 'main.js'), platform: 'node', external })
const { output } = await bundle.write({ dir: folder, format: 'esm', codeSplitting: false })
await bundle.close()

const modules = output.flatMap((chunk) => (chunk.type === 'chunk' ? chunk.moduleIds : []))
const packages = new Set(modules.flatMap((id) => id.match(/^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/)?.[0] ?? []))
writeFileSync(join(folder, 'licenses.txt'), [...packages].sort().map(licenseOf).join('\n\n'))

/** @param {string} path */
function licenseOf(path) {
  const { name, version, license } = JSON.parse(readFileSync(join(path, 'package.json'), 'utf8'))
  const file = readdirSync(path).find((entry) => /^licen[cs]e/i.test(entry))
  return `${name} ${version} (${license})\n\n${file ? readFileSync(join(path, file), 'utf8').trim() : ''}\n`
}
