import { CkError } from '../base/errors.ts'
import { type Compiler, findCompiler } from './compiler.ts'
import { describeMachine, type Machine } from './machine.ts'
import { openProbe, type ProbedRate, type Resource } from './probe.ts'
import { resolveTarget } from './targets.ts'

/** Of one thread, and of as many as there are cores. */
export interface Rates {
  readonly one: ProbedRate
  readonly all: ProbedRate
}

/** What the CPU can do, compiled for the chosen target. */
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

/** Questions of each kind: a machine is disturbed for longer than an answer takes. */
const questions = 4

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
  const answers = { read: emptyAnswers(), f32: emptyAnswers(), int8: emptyAnswers() }
  try {
    for (let question = 0; question < questions; question++) {
      for (const resource of ['read', 'f32', 'int8'] satisfies Resource[]) {
        answers[resource].one.push(await probe.rate(resource, 1))
        answers[resource].all.push(await probe.rate(resource, cores))
      }
    }
  } finally {
    await probe.close()
  }
  const ratesOf = (resource: Resource) => ({
    one: together(answers[resource].one),
    all: together(answers[resource].all),
  })
  return {
    bufferBytes: probe.bufferBytes,
    readBytesPerSecond: ratesOf('read'),
    f32PerSecond: ratesOf('f32'),
    int8PerSecond: ratesOf('int8'),
  }
}

const emptyAnswers = (): { one: ProbedRate[]; all: ProbedRate[] } => ({ one: [], all: [] })

function together(answers: readonly ProbedRate[]): ProbedRate {
  return {
    best: Math.max(...answers.map(({ best }) => best)),
    mean: answers.reduce((sum, { mean }) => sum + mean, 0) / answers.length,
  }
}

function refusalOf(error: unknown): CkError {
  if (error instanceof CkError) return error
  throw error
}
