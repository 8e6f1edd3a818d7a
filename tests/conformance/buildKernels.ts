import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { cacheFolder } from '../../src/build/cacheFolder.ts'
import { compileObject } from '../../src/build/compileFolder.ts'
import { compilerFor, findCompiler } from '../../src/build/compiler.ts'
import { runCommand } from '../../src/build/runCommand.ts'
import { buildPlan, compileSteps } from '../../src/emit/buildPlan.ts'
import { printHeader, printPrototypes } from '../../src/kernels/printHeader.ts'
import { familyNames, sharedHeaders } from '../../src/kernels/registry.ts'
import { openDriver } from './driver.ts'
import type { KernelRunner } from './kernelCall.ts'
import type { KernelTarget } from './kernelTargets.ts'
import { openLibrary } from './library.ts'
import { printCases } from './printCases.ts'
import { probes } from './probe.kernel.ts'

const sources = fileURLToPath(new URL('../../src/kernels/', import.meta.url))
const cache = fileURLToPath(new URL('../../node_modules/.cache/kernels/', import.meta.url))

/**
 * Compiles the kernels of a target with the flags that models are compiled with, for all dtypes where a model has those that
 * it calls, and opens them. Warnings are errors. The result is kept under node_modules by the content of everything that
 * went into it, so test files share it.
 */
export async function openKernels(target: KernelTarget): Promise<KernelRunner> {
  const families = target.only ?? familyNames
  const files: { [name: string]: string } = {
    'probe.h': printPrototypes('probe', probes),
    'probe.c': readFileSync(new URL('probe.c', import.meta.url), 'utf8'),
  }
  if (target.how === 'driver') {
    files['cases.h'] = printCases(families)
    files['driver.c'] = readFileSync(new URL('driver.c', import.meta.url), 'utf8')
  }
  for (const header of sharedHeaders) files[`kernels/${header}`] = readFileSync(join(sources, header), 'utf8')
  for (const family of families) {
    files[`kernels/${family}.h`] = printHeader(family)
    files[`kernels/${family}.c`] = readFileSync(join(sources, family, `${family}.c`), 'utf8')
  }
  const key = createHash('sha256')
    .update(JSON.stringify([target, files, process.env.CC]))
    .digest('hex')
    .slice(0, 24)
  const built = join(cache, key)
  await oneAtATime(built, () => compile(target, files, built))
  return target.how === 'library'
    ? openLibrary(built, target.lanes)
    : openDriver([...target.command, built], target.lanes)
}

/**
 * Makes the file `built` unless it is there. Test files run in several processes: the first takes a lock, the others wait
 * for its result, or for two minutes in case it was killed.
 */
async function oneAtATime(built: string, make: () => Promise<void>): Promise<void> {
  const lock = `${built}.lock`
  mkdirSync(dirname(built), { recursive: true })
  for (let waited = 0; !existsSync(built); waited += 100) {
    try {
      if (waited > 120_000) rmSync(lock, { recursive: true, force: true })
      mkdirSync(lock)
    } catch {
      await setTimeout(100)
      continue
    }
    try {
      if (!existsSync(built)) await make()
    } finally {
      rmSync(lock, { recursive: true, force: true })
    }
  }
}

async function compile(target: KernelTarget, files: { readonly [name: string]: string }, built: string): Promise<void> {
  const dir = mkdtempSync(`${built}-`)
  try {
    mkdirSync(join(dir, 'kernels'))
    for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, name), text)
    const compiler = await compilerFor(target, await findCompiler())
    const plan = buildPlan(Object.keys(files), target)
    const sizeOf = (source: string) => files[source]!.length
    const steps = compileSteps(plan).toSorted((a, b) => sizeOf(b.source) - sizeOf(a.source))
    const { signal } = new AbortController()
    const objects: string[] = []
    const queue = steps.values()
    const work = async () => {
      for (const step of queue)
        objects.push(await compileObject(dir, step, compiler, join(cacheFolder(), 'objects'), signal))
    }
    await Promise.all([work(), work()])
    const kind = target.how === 'library' ? ['-shared'] : []
    const output = ['-o', join(dir, 'built')]
    const link = [...compiler.command, ...plan.linkFlags, ...target.linkFlags, ...kind, ...objects, ...plan.libraries]
    const linked = await runCommand([...link, ...output], { cwd: dir })
    if (linked.status !== 'ended' || linked.code !== 0) throw new Error(`linking failed: ${JSON.stringify(linked)}`)
    renameSync(join(dir, 'built'), built)
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}
