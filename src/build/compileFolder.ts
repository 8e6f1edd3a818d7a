import { randomUUID } from 'node:crypto'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { mkdtemp, rename, rm } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fail } from '../base/errors.ts'
import { makeFolder } from '../base/makeFolder.ts'
import { type BuildPlan, buildPlan, type CompileStep, compileSteps } from '../emit/buildPlan.ts'
import { cacheFolder } from './cacheFolder.ts'
import { type Compiler, compilerFor, flagsFor, makesElf, refuseFailed } from './compiler.ts'
import { filesOf, objectKey } from './objectCache.ts'
import { runCommand } from './runCommand.ts'
import { readBefore } from './slowHeader.ts'
import type { Target } from './targets.ts'

export interface CompileFolderOptions {
  readonly target: Target
  /** Replaced by a cross compiler where the target is of another architecture. */
  readonly compiler: Compiler
  readonly signal?: AbortSignal
  /** Called with how much is done, 0 to 1. */
  readonly onProgress?: (done: number) => void
  /** Keeps objects under `objects/` and what gcc has read of its own headers under `headers/`. Default: cacheFolder(). */
  readonly cacheDir?: string
}

/** The C files and headers of a run folder, as paths in it, sorted: what buildPlan takes. */
export function sourceFiles(dir: string): readonly string[] {
  return ['', 'engine/', 'kernels/']
    .flatMap((folder) =>
      (existsSync(join(dir, folder)) ? readdirSync(join(dir, folder)) : []).map((name) => folder + name),
    )
    .filter((path) => /\.[ch]$/.test(path))
    .toSorted()
}

/**
 * Compiles the sources of the run folder `dir` and links `libmodel.so` and `model` in it, as its plan says. Equal sources,
 * target and compiler give equal bytes wherever the folder lies. Both outputs appear whole or not at all. Refuses
 * `compiler_failed`, `compiler_missing` (for a target of another architecture), `run_folder_invalid`, `write_failed`,
 * `aborted`.
 */
export async function compileFolder(dir: string, options: CompileFolderOptions): Promise<void> {
  const { target, signal, onProgress } = options
  const compiler = await compilerFor(target, options.compiler)
  const plan = buildPlan(sourceFiles(dir), target)
  requireSources(dir, plan)
  const objectDir = join(resolve(options.cacheDir ?? cacheFolder()), 'objects')

  const steps = compileSteps(plan)
  // Objects weigh by the size of their source; a link is about as quick as a small one.
  const weightOf = (step: CompileStep) => statSync(join(dir, step.source)).size
  const total = steps.reduce((sum, step) => sum + weightOf(step), 0)
  let done = 0
  const objects = new Map<string, string>()
  const largestFirst = steps.toSorted((a, b) => weightOf(b) - weightOf(a))
  await inParallel(largestFirst, signal, async (step, stop) => {
    objects.set(step.object, await compileObject(dir, step, compiler, objectDir, stop))
    done += weightOf(step)
    onProgress?.((0.95 * done) / total)
  })
  await linkAll(dir, plan, compiler, (object) => objects.get(object)!, signal)
  onProgress?.(1)
}

function requireSources(dir: string, plan: BuildPlan): void {
  for (const group of plan.groups) {
    const what = group.name === 'model' ? 'model.c' : `C file in ${group.name}/`
    if (group.sources.length === 0) fail('run_folder_invalid', { dir, what: `has no ${what}` })
  }
}

/**
 * The path of a step's object under `objectDir`, compiled from the folder `dir` if it is not there yet. Refuses as
 * `compileFolder` does.
 */
export async function compileObject(
  dir: string,
  step: CompileStep,
  compiler: Compiler,
  objectDir: string,
  signal: AbortSignal,
): Promise<string> {
  const files = filesOf(dir, step)
  const key = objectKey(files, step, compiler)
  const object = join(objectDir, key.slice(0, 2), `${key}.o`)
  if (existsSync(object)) return object
  await orRefuse(object, (async () => makeFolder(dirname(object)))())
  const partial = `${object}.partial-${randomUUID()}`
  try {
    const read = await readBefore(files, step, compiler, join(dirname(objectDir), 'headers'), signal)
    const flags = [...flagsFor(compiler, step.flags), ...read]
    await runCompiler(dir, compiler, [...flags, '-c', step.source, '-o', partial], signal)
    await orRefuse(object, rename(partial, object))
    return object
  } finally {
    await rm(partial, { force: true })
  }
}

/** Links all outputs in a folder beside their places, under their own names, and moves them there together. */
async function linkAll(
  dir: string,
  plan: BuildPlan,
  compiler: Compiler,
  pathOf: (object: string) => string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const flags = [...plan.linkFlags, ...(makesElf(compiler) ? plan.elfFlags : [])]
  const partial = await orRefuse(dir, mkdtemp(join(dir, '.link-')))
  try {
    await inParallel(plan.links, signal, (link, stop) =>
      runCompiler(
        dir,
        compiler,
        [...flagsFor(compiler, flags), ...link.flags, ...link.objects.map(pathOf), ...plan.libraries].concat([
          '-o',
          join(resolve(partial), link.output),
        ]),
        stop,
      ),
    )
    for (const { output } of plan.links)
      await orRefuse(join(dir, output), rename(join(partial, output), join(dir, output)))
  } finally {
    await rm(partial, { recursive: true, force: true })
  }
}

async function runCompiler(
  dir: string,
  compiler: Compiler,
  parameters: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  const command = [...compiler.command, ...parameters]
  const outcome = await runCommand(command, { cwd: dir, signal })
  if (outcome.status === 'missing') return fail('compiler_missing', { tried: compiler.command.join(' ') })
  if (outcome.code !== 0) refuseFailed(command, outcome.output)
}

/** Runs `task` on every item, as many at once as there are cores. The first failure stops the others and is raised. */
async function inParallel<T>(
  items: readonly T[],
  signal: AbortSignal | undefined,
  task: (item: T, stop: AbortSignal) => Promise<void>,
): Promise<void> {
  const failure = new AbortController()
  const stop = signal ? AbortSignal.any([signal, failure.signal]) : failure.signal
  const queue = items.values()
  const work = async () => {
    for (const item of queue) {
      if (stop.aborted) return
      await task(item, stop).catch((error: unknown) => failure.abort(error))
    }
  }
  await Promise.all(Array.from({ length: availableParallelism() }, work))
  if (signal?.aborted) fail('aborted', { what: 'compiling' })
  if (failure.signal.aborted) throw failure.signal.reason
}

function orRefuse<T>(path: string, action: Promise<T>): Promise<T> {
  return action.catch((error: NodeJS.ErrnoException) =>
    fail('write_failed', { path, cause: error.code ?? error.message }),
  )
}
