import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fail } from '../base/errors.ts'
import { makeFolder } from '../base/makeFolder.ts'
import { sourceFolder } from '../base/packageRoot.ts'
import { printLayout, printThreads } from '../emit/artifacts.ts'
import { buildPlan } from '../emit/buildPlan.ts'
import { printMakefile } from '../emit/makefile.ts'
import type { ProgramSource } from '../emit/modelSource.ts'
import { usedKernels } from '../emit/printPrograms.ts'
import { printHeader } from '../kernels/printHeader.ts'
import { sharedHeaders } from '../kernels/registry.ts'
import { sourceFiles } from './compileFolder.ts'
import type { Target } from './targets.ts'

/** What a kind of build takes of src/engine. */
const engines = {
  model: (name: string) => !/^train\.[ch]$/.test(name),
  training: (name: string) =>
    /^(barrier|canaries|chat_contract|ck|clock|cpu|floats|mapping|program|refuse|train|utf8|workers)\.[ch]$/.test(name),
} as const

/** What a run folder holds besides what every one does. */
export interface RunFolder {
  readonly source: ProgramSource
  readonly engine: keyof typeof engines
  /** Texts by file name: model.c, model.h and the artifacts. */
  readonly files: { readonly [name: string]: string }
}

/**
 * Writes a run folder beside its place and renames it there when `complete` (weights, compiler) has succeeded. Replaces an
 * earlier run folder or an empty folder, nothing else. Refuses `write_failed` and `run_folder_invalid`.
 */
export async function writeRunFolder(
  out: string,
  { source, engine, files }: RunFolder,
  target: Target,
  complete: (dir: string) => Promise<void>,
): Promise<void> {
  const dir = resolve(out)
  requireReplaceable(dir)
  const partial = `${dir}.partial-${process.pid}`
  orRefuse(out, () => {
    rmSync(partial, { recursive: true, force: true })
    makeFolder(partial)
  })
  try {
    orRefuse(out, () => {
      mkdirSync(join(partial, 'kernels'))
      mkdirSync(join(partial, 'engine'))
      for (const [name, text] of Object.entries({
        ...files,
        'layout.json': printLayout(source),
        'threads.json': printThreads(source),
        ...kernelFiles(source),
        ...engineFiles(engine),
      })) {
        writeFileSync(join(partial, name), text)
      }
      writeFileSync(join(partial, 'Makefile'), printMakefile(buildPlan(sourceFiles(partial), target)))
    })
    await complete(partial)
    orRefuse(out, () => {
      rmSync(dir, { recursive: true, force: true })
      renameSync(partial, dir)
    })
  } finally {
    rmSync(partial, { recursive: true, force: true })
  }
}

function kernelFiles(source: ProgramSource): Record<string, string> {
  const files: Record<string, string> = {}
  for (const header of sharedHeaders)
    files[`kernels/${header}`] = readFileSync(join(sourceFolder, 'kernels', header), 'utf8')
  for (const [family, called] of usedKernels(source.programs)) {
    files[`kernels/${family}.h`] = printHeader(family, called)
    files[`kernels/${family}.c`] = readFileSync(join(sourceFolder, 'kernels', family, `${family}.c`), 'utf8')
  }
  return files
}

function engineFiles(engine: keyof typeof engines): Record<string, string> {
  const dir = join(sourceFolder, 'engine')
  const names = readdirSync(dir).filter((name) => /\.[ch]$/.test(name) && engines[engine](name))
  return Object.fromEntries(names.toSorted().map((name) => [`engine/${name}`, readFileSync(join(dir, name), 'utf8')]))
}

function requireReplaceable(dir: string): void {
  const entries = listing(dir)
  if (entries === undefined || entries.length === 0 || entries.includes('manifest.json')) return
  fail('run_folder_invalid', { dir, what: 'exists and is no run folder, so it is not replaced' })
}

function listing(dir: string): string[] | undefined {
  try {
    if (!statSync(dir).isDirectory()) return ['']
    return readdirSync(dir)
  } catch {
    statParent(dir)
    return undefined
  }
}

function statParent(dir: string): void {
  orRefuse(dir, () => makeFolder(dirname(dir)))
}

function orRefuse<T>(path: string, action: () => T): T {
  try {
    return action()
  } catch (error) {
    if (error instanceof Error && 'code' in error) fail('write_failed', { path, cause: String(error.code) })
    throw error
  }
}
