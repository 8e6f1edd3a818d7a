import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, it } from 'vitest'
import { weightDtypes } from '../../src/base/dtypes.ts'
import { hostArch } from '../../src/build/cpu.ts'
import { targets } from '../../src/build/targets.ts'
import { isas, type Kernel } from '../../src/kernels/kernel.ts'
import { printHeader } from '../../src/kernels/printHeader.ts'
import { type Family, familyNames, kernelsOf } from '../../src/kernels/registry.ts'
import { answers } from '../answers.ts'
import { familiesOf } from './kernelTargets.ts'

const sources = fileURLToPath(new URL('../../src/kernels/', import.meta.url))
const strict = ['-std=c11', '-Wall', '-Wextra', '-Werror', '-fsyntax-only']

// The compiler that builds the tested kernels has warnings as errors too; this is the other one.
describe.skipIf(!answers('clang'))(answers('clang') ? 'clang' : 'clang (is not installed)', () => {
  it.each(targets.filter(({ arch }) => arch === 'any' || arch === hostArch()))(
    'has nothing to warn of in the kernels of $name',
    ({ name, isa, flags }) =>
      check(flags, new Map(familiesOf(name).map((family) => [family, kernelsOf(family)])), isas[isa].intrinsics),
  )

  it.each(weightDtypes)('has nothing to warn of where a build has %s alone', (dtype) =>
    check(
      ['-DCK_ISA_SCALAR'],
      new Map(
        familyNames.flatMap((family) => {
          const called = kernelsOf(family).filter((kernel) => kernel.dtype === dtype)
          return called.length > 0 ? [[family, called] as const] : []
        }),
      ),
    ),
  )
})

/**
 * Compiles the families with headers for these kernels, up to the warnings. `header`: one of the compiler's own, which takes
 * longer to read than a family.
 */
async function check(flags: readonly string[], called: ReadonlyMap<Family, readonly Kernel[]>, header?: string) {
  const dir = mkdtempSync(join(tmpdir(), 'ck-headers-'))
  const clang = (...parameters: readonly string[]) => promisify(execFile)('clang', [...flags, ...parameters])
  try {
    for (const [family, kernels] of called) writeFileSync(join(dir, `${family}.h`), printHeader(family, kernels))
    const files = [...called.keys()].map((family) => join(sources, family, `${family}.c`))
    const read = join(dir, 'header.pch')
    if (header) {
      writeFileSync(join(dir, 'header.h'), `#include <${header}>\n`)
      await clang('-std=c11', '-x', 'c-header', join(dir, 'header.h'), '-o', read)
    }
    await clang(...strict, ...(header ? ['-include-pch', read] : []), `-I${sources}`, `-I${dir}`, ...files)
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}
