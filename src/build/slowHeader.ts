import { createHash, randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { makeFolder } from '../base/makeFolder.ts'
import type { CompileStep } from '../emit/buildPlan.ts'
import type { Compiler } from './compiler.ts'
import { runCommand } from './runCommand.ts'

/** The kept headers that this process makes now. */
const inTheMaking = new Set<string>()

/**
 * The flags with which a step (`files`: its texts, by path) finds its slow header read already: gcc takes half a second to
 * read its intrinsics, and a tenth of that for what it keeps of them, some 25 MB per compiler and flags under `headerDir`.
 * No flags where that is of no use: the sources do not include the header, have another before it, or the compiler is not
 * gcc; where another step makes it just now; or where it cannot be made. gcc reads the header itself where it finds that
 * what is kept does not fit.
 */
export async function readBefore(
  files: ReadonlyMap<string, string>,
  step: CompileStep,
  compiler: Compiler,
  headerDir: string,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const { slowHeader, flags } = step
  const line = `#include <${slowHeader}>\n`
  const isIncluded = [...files.values()].some((text) => text.includes(line))
  if (!isIncluded || compiler.kind !== 'gcc' || flags.includes('-include')) return []

  const key = createHash('sha256')
    .update(JSON.stringify([compiler.identity, flags, line]))
    .digest('hex')
  const dir = join(headerDir, key)
  const header = join(dir, 'header.h')
  const kept = `${header}.gch`
  if (existsSync(kept)) return ['-include', header]
  if (inTheMaking.has(kept)) return []
  inTheMaking.add(kept)
  const partial = `${kept}.partial-${randomUUID()}`
  try {
    makeFolder(dir)
    await writeFile(header, line)
    const command = [...compiler.command, ...flags, '-x', 'c-header', header, '-o', partial]
    const outcome = await runCommand(command, { cwd: dir, signal })
    if (outcome.status === 'missing' || outcome.code !== 0) return []
    await rename(partial, kept)
    return ['-include', header]
  } catch (error) {
    if (signal.aborted) throw error
    return []
  } finally {
    inTheMaking.delete(kept)
    await rm(partial, { force: true })
  }
}
