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
const strict = ['-std=c11', '-Wall', '-Wextra', '-Werror']

/** The compiler's own header of an instruction set, which is longer than all kernels: parsed once for all of them. */
const intrinsics = { x86_64: 'immintrin.h', aarch64: 'arm_neon.h', any: undefined } as const

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
    async ({ name: target, arch, flags }) => {
      const dir = mkdtempSync(join(tmpdir(), 'ck-headers-'))
      try {
        for (const family of familyNames) writeFileSync(join(dir, `${family}.h`), printHeader(family))
        const files = familiesOf(target).map((family) => join(sources, family, `${family}.c`))
        const clang = (parameters: readonly string[]) =>
          promisify(execFile)('clang', [...strict, ...flags, `-I${sources}`, `-I${dir}`, ...parameters])
        const header = intrinsics[arch]
        const parsed = join(dir, 'intrinsics.pch')
        if (header) {
          writeFileSync(join(dir, 'intrinsics.h'), `#include <${header}>\n`)
          await clang(['-x', 'c-header', join(dir, 'intrinsics.h'), '-o', parsed])
        }
        await clang(['-fsyntax-only', ...(header ? ['-include-pch', parsed] : []), ...files])
      } finally {
        rmSync(dir, { recursive: true, force: true })
      }
    },
  )
})
