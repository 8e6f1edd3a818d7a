import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { anyCheckpoint, defineCommand } from './command.ts'
import { formatBytes } from './formatBytes.ts'
import { given } from './given.ts'
import { printTable } from './printTable.ts'
import { readText } from './readText.ts'

export const build = defineCommand({
  name: 'build',
  summary: 'Compiles a checkpoint to a run folder: C, weights, library and executable, which need neither Node nor ck.',
  model: anyCheckpoint,
  options: ['out', 'target', 'context', 'sequences', 'strict', 'cache', 'profile', 'debug', 'template', 'cc', 'json'],
  required: ['out'],
  examples: ['ck build model.gguf -o run/model', 'ck build model.gguf -o run/model --target x86-64-v3 --context 1024'],
  async run({ model: path, options, io }) {
    const { out = '', target, context, sequences, strict, cache, profile, debug, cc, json, template } = options
    const { compile } = await import('../compile.ts')
    await compile(path, {
      ...given({ target, context, sequences, strict, cache, profile, debug, cc }),
      ...(template === undefined ? {} : { template: { path: template, text: readText(template) } }),
      out,
      signal: io.signal,
      onProgress: io.progress.show,
    })
    io.progress.end()
    const { readManifest } = await import('./readRunFolder.ts')
    const manifest = readManifest(out)
    const files = filesOf(out)
    const { name, target: builtFor, context: tokens, weightsBytes, memoryBytes, embedding } = manifest
    if (json) {
      const sizes = Object.fromEntries(files)
      io.out(
        `${JSON.stringify({ dir: out, name, target: builtFor, context: tokens, weightsBytes, memoryBytes, files: sizes })}\n`,
      )
      return 0
    }
    io.out(`${name} for ${builtFor}, ${tokens} tokens of context, in ${out}\n\n`)
    io.out(printTable(files.map(([file, bytes]) => [`  ${file}`, formatBytes(bytes)])))
    io.out(`\nmemory: ${formatBytes(weightsBytes)} of mapped weights, and ${formatBytes(memoryBytes)} per context\n`)
    const command = embedding ? `ck embed ${out} --text "..."` : `ck run ${out} -p "..."`
    io.out(`run it: ${join(out, 'model')} --help, or: ${command}\n`)
    return 0
  },
})

/** The files of a folder with their bytes; folders in it count as one. */
function filesOf(dir: string): readonly (readonly [string, number])[] {
  const entries = readdirSync(dir, { withFileTypes: true }).toSorted((a, b) => (a.name < b.name ? -1 : 1))
  return entries.map((entry) => {
    const path = join(dir, entry.name)
    if (!entry.isDirectory()) return [entry.name, statSync(path).size]
    return [`${entry.name}/`, filesOf(path).reduce((sum, [, bytes]) => sum + bytes, 0)]
  })
}
