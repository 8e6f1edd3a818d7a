import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface, type Interface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { fail } from '../base/errors.ts'
import { sourceFolder } from '../base/packageRoot.ts'
import { buildPlan } from '../emit/buildPlan.ts'
import { type BinaryRecipe, cachedBinary } from './cachedBinary.ts'
import { type Compiler, findCompiler, flagsFor, refuseFailed } from './compiler.ts'
import { type Cache, describeMachine } from './machine.ts'
import { resolveTarget } from './targets.ts'

/**
 * What is used up by running: bytes read from memory, f32 operations and 8-bit operations of integer dot products, a
 * multiply-add counting two.
 */
export type Resource = 'read' | 'f32' | 'int8'

/** Per second, of rounds of some 30 milliseconds within about a quarter of a second. */
export interface ProbedRate {
  /** Of the least disturbed round. */
  readonly best: number
  /** Of all rounds together: what the machine sustains beside whatever else runs on it. */
  readonly mean: number
}

/** A compiled program that measures what this machine can do whenever it is asked. */
export interface Probe {
  /** Bytes of memory that a round of `read` goes over. */
  readonly bufferBytes: number
  /** Of so many threads. One question at a time. Refuses `compiler_failed` where the program has ended, and `aborted`. */
  rate(resource: Resource, threads: number): Promise<ProbedRate>
  close(): Promise<void>
}

const mostThreads = 1024

/**
 * Starts the probe of a target (the machine's own unless one is named), which is compiled once. Refuses what `findCompiler`
 * and `cachedBinary` refuse, and `aborted`; an abort ends the probe as well.
 */
export async function openProbe(
  options: { readonly target?: string; readonly compiler?: Compiler; readonly signal?: AbortSignal | undefined } = {},
): Promise<Probe> {
  const { signal } = options
  const program = await probeProgram(options.compiler ?? (await findCompiler()), options.target, signal)
  const { caches, availableBytes, cores } = describeMachine()
  const bufferBytes = probeBytes(caches, availableBytes)
  const running = start([program, `${Math.min(cores, mostThreads)}`, `${bufferBytes}`], signal)
  const rate = async (resource: Resource, threads: number) => {
    const [best, mean] = (await running.ask(`${resource} ${threads}`)).split(' ').map(Number)
    return { best: best!, mean: mean! }
  }
  return { bufferBytes, rate, close: running.end }
}

/** Where the compiled probe lies. */
function probeProgram(
  compiler: Compiler,
  targetName: string | undefined,
  signal: AbortSignal | undefined,
): Promise<string> {
  const target = resolveTarget(targetName ?? 'native')
  const recipe: BinaryRecipe = {
    name: 'probe',
    sources: [join(sourceFolder, 'build', 'probe.c')],
    includes: [join(sourceFolder, 'kernels')],
    kind: 'program',
    flags: flagsFor(compiler, [...buildPlan([], target).flags, ...target.flags]),
    compiler,
  }
  return cachedBinary(recipe, signal)
}

/** A program that answers a line with a line. */
function start(command: readonly string[], signal: AbortSignal | undefined) {
  if (signal?.aborted) fail('aborted', { what: 'probe' })
  const [program = '', ...parameters] = command
  const child: ChildProcessByStdio<Writable, Readable, Readable> = spawn(program, parameters, { stdio: 'pipe' })
  let complaint = ''
  child.stderr.on('data', (chunk: Buffer) => {
    complaint += chunk
  })
  // The end of the program answers the question that is open; what it cannot read any more is lost with it.
  child.stdin.on('error', () => {})
  const ended = new Promise<void>((resolve) => {
    child.once('close', () => resolve())
    child.once('error', (error) => {
      complaint += error.message
      resolve()
    })
  })
  const stop = () => child.kill('SIGKILL')
  signal?.addEventListener('abort', stop, { once: true })
  const lines: Interface = createInterface({ input: child.stdout })
  const answers = lines[Symbol.asyncIterator]()
  return {
    async ask(question: string): Promise<string> {
      child.stdin.write(`${question}\n`)
      const answer = await answers.next()
      if (!answer.done) return answer.value
      await ended
      if (signal?.aborted) fail('aborted', { what: 'probe' })
      return refuseFailed(command, complaint)
    },
    async end(): Promise<void> {
      signal?.removeEventListener('abort', stop)
      child.stdin.end()
      await ended
    },
  }
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
