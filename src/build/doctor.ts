import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { CkError } from '../base/errors.ts'
import { buildPlan } from '../emit/buildPlan.ts'
import { type Compiler, findCompiler, flagsFor, refuseFailed } from './compiler.ts'
import { type Cache, describeMachine, type Machine } from './machine.ts'
import { runCommand } from './runCommand.ts'
import { resolveTarget, type Target } from './targets.ts'

/** Per second, the best of several rounds: of one thread, and of as many as there are cores. */
export interface Rates {
  readonly one: number
  readonly all: number
}

/** What the CPU can do at best, compiled for the chosen target. */
export interface Measurements {
  /** Bytes of memory that each `readBytesPerSecond` round read. */
  readonly bufferBytes: number
  readonly readBytesPerSecond: Rates
  /** f32 operations; a multiply-add counts two. */
  readonly f32PerSecond: Rates
  /** 8-bit operations of integer dot products; a multiply-add counts two. */
  readonly int8PerSecond: Rates
}

/** What `ck doctor` says; plain JSON. */
export interface Diagnosis {
  readonly system: { readonly platform: string; readonly node: string }
  readonly machine: Machine
  /** What `native` means here. */
  readonly target: { readonly name: string; readonly isa: string }
  readonly compiler:
    | { readonly status: 'works'; readonly command: string; readonly kind: Compiler['kind']; readonly version: string }
    /** `message` says what is wrong and the ways to get a compiler. */
    | { readonly status: 'broken' | 'missing'; readonly message: string }
  readonly measured:
    | ({ readonly status: 'done' } & Measurements)
    | { readonly status: 'absent'; readonly reason: string }
}

/** src/ of the package, whether this file runs from src/ or from dist/: the C sources lie there. */
const sourceRoot = fileURLToPath(new URL('../../src/', import.meta.url))

/**
 * Describes this machine, its compiler and, where there is one, what a compiled probe measures in a few seconds. Refuses
 * only `aborted`.
 */
export async function diagnose(options: { readonly signal?: AbortSignal } = {}): Promise<Diagnosis> {
  const machine = describeMachine()
  const target = resolveTarget('native')
  const compiler = await findCompiler().catch((error: unknown) => refusalOf(error))
  return {
    system: { platform: process.platform, node: process.version },
    machine,
    target: { name: target.name, isa: target.isa },
    compiler: describeCompiler(compiler),
    measured:
      compiler instanceof CkError
        ? { status: 'absent', reason: 'measuring needs a C compiler' }
        : await measure(machine, target, compiler, options.signal),
  }
}

function describeCompiler(compiler: Compiler | CkError): Diagnosis['compiler'] {
  if (compiler instanceof CkError) {
    return { status: compiler.code === 'compiler_missing' ? 'missing' : 'broken', message: compiler.message }
  }
  return { status: 'works', command: compiler.command.join(' '), kind: compiler.kind, version: compiler.version }
}

async function measure(
  machine: Machine,
  target: Target,
  compiler: Compiler,
  signal: AbortSignal | undefined,
): Promise<Diagnosis['measured']> {
  const dir = await mkdtemp(join(tmpdir(), 'ck-doctor-'))
  try {
    return { status: 'done', ...(await runProbe(dir, machine, target, compiler, signal)) }
  } catch (error) {
    const refusal = refusalOf(error)
    if (refusal.code === 'aborted') throw refusal
    return { status: 'absent', reason: refusal.message }
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
}

async function runProbe(
  dir: string,
  machine: Machine,
  target: Target,
  compiler: Compiler,
  signal: AbortSignal | undefined,
): Promise<Measurements> {
  const plan = buildPlan([], target)
  const flags = flagsFor(compiler, [...plan.flags, ...target.flags, `-I${join(sourceRoot, 'kernels')}`])
  const source = join(sourceRoot, 'build', 'probe.c')
  const bufferBytes = probeBytes(machine.caches, machine.availableBytes)
  await succeed([...compiler.command, ...flags, source, ...plan.libraries, '-o', 'probe'], dir, signal)
  const output = await succeed([join(dir, 'probe'), `${Math.min(machine.cores, 1024)}`, `${bufferBytes}`], dir, signal)
  const rates: { read: Rates; fma: Rates; dot: Rates } = JSON.parse(output)
  return { bufferBytes, readBytesPerSecond: rates.read, f32PerSecond: rates.fma, int8PerSecond: rates.dot }
}

/**
 * Memory to read for the bandwidth of memory and not of a cache: four times the largest cache and at least 256 MiB, but no
 * more than 1 GiB, nor than a quarter of what is free. Reading it in order evicts every line before its next use even from
 * a cache of a quarter of it; and a shared cache of a large server, larger than that, belongs to other programs as well.
 */
export function probeBytes(caches: readonly Cache[], availableBytes: number): number {
  const largest = Math.max(0, ...caches.map((cache) => cache.bytes))
  const wanted = Math.min(Math.max(4 * largest, 2 ** 28), 2 ** 30)
  return Math.max(2 ** 24, Math.min(wanted, 2 ** 20 * Math.floor(availableBytes / 2 ** 22)))
}

async function succeed(command: readonly string[], cwd: string, signal: AbortSignal | undefined): Promise<string> {
  const outcome = await runCommand(command, { cwd, signal })
  if (outcome.status === 'missing') return refuseFailed(command, 'there is no such program')
  return outcome.code === 0 ? outcome.output : refuseFailed(command, outcome.output)
}

function refusalOf(error: unknown): CkError {
  if (error instanceof CkError) return error
  throw error
}
