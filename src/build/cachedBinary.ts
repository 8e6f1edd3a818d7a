import { createHash, randomUUID } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fail } from '../base/errors.ts'
import { makeFolder } from '../base/makeFolder.ts'
import { cacheFolder } from './cacheFolder.ts'
import { type Compiler, findCompiler, refuseFailed } from './compiler.ts'
import { runCommand } from './runCommand.ts'

/** C of this project that is compiled where it is needed, apart from any model. */
export interface BinaryRecipe {
  /** Folder in the cache, one lower-case word. */
  readonly name: string
  /** Sources by their paths; the headers beside them, and those they include, decide the result too. */
  readonly sources: readonly string[]
  /** Where `#include "..."` is looked for, besides the source's own folder. */
  readonly includes: readonly string[]
  readonly kind: 'program' | 'library'
  /** How it is compiled; default: as C11, optimised, for any CPU of the architecture. */
  readonly flags?: readonly string[]
  /** Default: the first that works, and what one of them has compiled serves all. */
  readonly compiler?: Compiler
}

const usualFlags = ['-std=c11', '-O2', '-pthread']

/**
 * The path of the compiled program or library: from the cache, or compiled now. Refuses as `findCompiler` does, and
 * `write_failed`, `aborted`.
 */
export async function cachedBinary(recipe: BinaryRecipe, signal?: AbortSignal): Promise<string> {
  const dir = join(cacheFolder(), recipe.name)
  const path = join(dir, `${hashOf(recipe)}${recipe.kind === 'library' ? '.so' : ''}`)
  if (existsSync(path)) return path
  orRefuse(dir, () => makeFolder(dir))
  const { command } = recipe.compiler ?? (await findCompiler())
  const partial = `${path}.building-${randomUUID()}`
  try {
    const line = [...command, ...flagsOf(recipe), ...recipe.sources, '-lm', '-o', partial]
    const outcome = await runCommand(line, { cwd: dir, signal })
    if (outcome.status === 'missing') return fail('compiler_missing', { tried: command.join(' ') })
    if (outcome.code !== 0) refuseFailed(line, outcome.output)
    orRefuse(path, () => renameSync(partial, path))
    return path
  } finally {
    rmSync(partial, { force: true })
  }
}

function flagsOf({ includes, kind, flags = usualFlags }: BinaryRecipe): readonly string[] {
  const shared = kind === 'library' ? ['-fPIC', '-shared'] : []
  return [...flags, ...shared, ...includes.map((folder) => `-I${folder}`)]
}

/** The same sources and headers at another place give the same name. */
function hashOf(recipe: BinaryRecipe): string {
  const { kind, flags, compiler } = recipe
  const hash = createHash('sha256').update(
    JSON.stringify([process.platform, process.arch, kind, flags, compiler?.identity]),
  )
  const folders = new Set([...recipe.includes, ...recipe.sources.map((source) => dirname(source))])
  const headers = [...folders].flatMap((folder) =>
    readdirSync(folder)
      .filter((name) => name.endsWith('.h'))
      .toSorted()
      .map((name) => join(folder, name)),
  )
  for (const path of [...recipe.sources, ...headers]) {
    const text = readFileSync(path)
    hash.update(`${path.slice(dirname(path).length)};${text.length};`).update(text)
  }
  return hash.digest('hex')
}

function orRefuse(path: string, action: () => void): void {
  try {
    action()
  } catch (error) {
    fail('write_failed', {
      path,
      cause: error instanceof Error && 'code' in error ? String(error.code) : String(error),
    })
  }
}
