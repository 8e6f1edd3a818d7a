import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { printHeader, printPrototypes } from '../../src/kernels/printHeader.ts'
import { familyNames, sharedHeaders } from '../../src/kernels/registry.ts'
import { openDriver } from './driver.ts'
import type { KernelRunner } from './kernelCall.ts'
import type { KernelTarget } from './kernelTargets.ts'
import { openLibrary } from './library.ts'
import { printCases } from './printCases.ts'
import { probes } from './probe.kernel.ts'

const execute = promisify(execFile)
const sources = fileURLToPath(new URL('../../src/kernels/', import.meta.url))
const cache = fileURLToPath(new URL('../../node_modules/.cache/kernels/', import.meta.url))
const flags = ['-std=c11', '-O2', '-Wall', '-Wextra', '-Werror', '-ffp-contract=off', '-fPIC']

/**
 * Compiles all kernels for a target, warnings being errors, and opens them. The result is kept under node_modules by the
 * content of everything that went into it, so test files share it.
 */
export async function openKernels(target: KernelTarget): Promise<KernelRunner> {
  const files: { [name: string]: string } = {
    'cases.h': printCases(),
    'driver.c': readFileSync(new URL('driver.c', import.meta.url), 'utf8'),
    'probe.h': printPrototypes('probe', probes),
    'probe.c': readFileSync(new URL('probe.c', import.meta.url), 'utf8'),
  }
  for (const header of sharedHeaders) files[header] = readFileSync(join(sources, header), 'utf8')
  for (const family of familyNames) {
    files[`${family}.h`] = printHeader(family)
    files[`${family}.c`] = readFileSync(join(sources, family, `${family}.c`), 'utf8')
  }
  const key = createHash('sha256')
    .update(JSON.stringify([target, files, flags]))
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
  const run = (args: readonly string[]) => execute(target.compiler, args, { cwd: dir })
  try {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, name), text)
    const units = [...familyNames, 'probe', ...(target.how === 'driver' ? ['driver'] : [])]
    const all = [...flags, ...target.flags, `-DCK_PANEL_LANES=${target.lanes}`]
    const posix = (unit: string) => (unit === 'driver' ? ['-D_POSIX_C_SOURCE=200809L'] : [])
    for (let at = 0; at < units.length; at += 2)
      await Promise.all(
        units.slice(at, at + 2).map((unit) => run([...all, ...posix(unit), '-c', `${unit}.c`, '-o', `${unit}.o`])),
      )
    const kind = target.how === 'library' ? ['-shared'] : []
    await run([...all, ...kind, ...units.map((unit) => `${unit}.o`), '-o', 'built', '-lm'])
    renameSync(join(dir, 'built'), built)
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}
