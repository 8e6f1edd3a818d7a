// `ck` as one file, dist/ck/main.js: Node takes about a millisecond for each file that it loads, and `ck train` needs 500.
// Packages that it holds are in licenses.txt beside it.
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { rolldown } from 'rolldown'
import { root } from './prepare.mjs'

const folder = join(root, 'dist', 'ck')

// Native code, and what is loaded by name when it is needed.
const external = ['koffi', 'cli-progress', '@huggingface/hub']

rmSync(folder, { recursive: true, force: true })
const bundle = await rolldown({ input: join(root, 'dist', 'cli', 'main.js'), platform: 'node', external })
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
