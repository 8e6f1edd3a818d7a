import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import { compileFolder } from '../../src/build/compileFolder.ts'
import { findCompiler } from '../../src/build/compiler.ts'
import { resolveTarget } from '../../src/build/targets.ts'

/** Adds one to the first size of the first call behind a comment in model.c, and builds the run folder again. */
export async function breakCall(dir: string, comment: string): Promise<void> {
  const path = join(dir, 'model.c')
  const text = readFileSync(path, 'utf8')
  const at = text.indexOf(`\n    /* ${comment} f32`)
  expect(at, comment).toBeGreaterThan(0)
  const broken = text.slice(0, at) + text.slice(at).replace(/(\(part, parts, (?:s->)?\w+),/, '$1 + 1,')
  expect(broken).not.toBe(text)
  writeFileSync(path, broken)
  await compileFolder(dir, { target: resolveTarget(undefined), compiler: await findCompiler() })
}
