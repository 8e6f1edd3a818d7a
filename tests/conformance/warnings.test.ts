import { execFile, execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, it } from 'vitest'
import { hostArch } from '../../src/build/cpu.ts'
import { targets } from '../../src/build/targets.ts'
import { printHeader } from '../../src/kernels/printHeader.ts'
import { familyNames } from '../../src/kernels/registry.ts'
import { familiesOf } from './kernelTargets.ts'

const sources = fileURLToPath(new URL('../../src/kernels/', import.meta.url))
const strict = ['-std=c11', '-Wall', '-Wextra', '-Werror', '-fsyntax-only']

function answers(program: string): boolean {
  try {
    execFileSync(program, ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

// The compiler that builds the tested kernels has warnings as errors too; this is the other one.
describe.skipIf(!answers('clang'))(answers('clang') ? 'clang' : 'clang (is not installed)', () => {
  it.each(targets.filter(({ arch }) => arch === 'any' || arch === hostArch()))(
    'has nothing to warn of in the kernels of $name',
    async ({ name: target, flags }) => {
      const dir = mkdtempSync(join(tmpdir(), 'ck-headers-'))
      try {
        for (const family of familyNames) writeFileSync(join(dir, `${family}.h`), printHeader(family))
        const files = familiesOf(target).map((family) => join(sources, family, `${family}.c`))
        await promisify(execFile)('clang', [...strict, ...flags, `-I${sources}`, `-I${dir}`, ...files])
      } finally {
        rmSync(dir, { recursive: true, force: true })
      }
    },
  )
})
