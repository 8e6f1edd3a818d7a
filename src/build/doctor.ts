import { CkError } from '../base/errors.ts'
import { type Compiler, findCompiler } from './compiler.ts'
import { describeMachine, type Machine } from './machine.ts'
import { openProbe, type Resource } from './probe.ts'
import { resolveTarget } from './targets.ts'

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

/** Of each rate: machines are disturbed for longer than a measurement takes. */
const rounds = 4

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
        : await measure(machine.cores, compiler, options.signal),
  }
}

function describeCompiler(compiler: Compiler | CkError): Diagnosis['compiler'] {
  if (compiler instanceof CkError) {
    return { status: compiler.code === 'compiler_missing' ? 'missing' : 'broken', message: compiler.message }
  }
  return { status: 'works', command: compiler.command.join(' '), kind: compiler.kind, version: compiler.version }
}

async function measure(
  cores: number,
  compiler: Compiler,
  signal: AbortSignal | undefined,
): Promise<Diagnosis['measured']> {
  try {
    return { status: 'done', ...(await measureRates(cores, compiler, signal)) }
  } catch (error) {
    const refusal = refusalOf(error)
    if (refusal.code === 'aborted') throw refusal
    return { status: 'absent', reason: refusal.message }
  }
}

async function measureRates(cores: number, compiler: Compiler, signal: AbortSignal | undefined): Promise<Measurements> {
  const probe = await openProbe({ compiler, signal })
  const best = { read: { one: 0, all: 0 }, f32: { one: 0, all: 0 }, int8: { one: 0, all: 0 } }
  try {
    for (let round = 0; round < rounds; round++) {
      for (const resource of ['read', 'f32', 'int8'] satisfies Resource[]) {
        const rates = best[resource]
        rates.one = Math.max(rates.one, await probe.rate(resource, 1))
        rates.all = Math.max(rates.all, await probe.rate(resource, cores))
      }
    }
  } finally {
    await probe.close()
  }
  const { bufferBytes } = probe
  return { bufferBytes, readBytesPerSecond: best.read, f32PerSecond: best.f32, int8PerSecond: best.int8 }
}

function refusalOf(error: unknown): CkError {
  if (error instanceof CkError) return error
  throw error
}
