import { spawn } from 'node:child_process'
import { fail } from '../base/errors.ts'

/** How a program ended. */
export type Outcome =
  /** There is no such program. */
  | { readonly status: 'missing' }
  /** Exit code 0 is success; a program that a signal ended has code 1. `output` is stdout and stderr as they came. */
  | { readonly status: 'ended'; readonly code: number; readonly output: string }

/** Enough for any diagnosis; what comes after is dropped. */
const outputBytes = 1 << 20
/** A program that does not end this long after it was asked to is killed. */
const graceMilliseconds = 2000

/**
 * Runs a program without a shell, in a process group of its own, and waits for its end. An abort ends the whole group and
 * then raises `aborted`.
 */
export function runCommand(
  command: readonly string[],
  options: { readonly cwd: string; readonly signal?: AbortSignal | undefined },
): Promise<Outcome> {
  const [program = '', ...parameters] = command
  const { cwd, signal } = options
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return resolve(refuseAborted(program))
    const env = { ...process.env, LC_ALL: 'C' }
    const child = spawn(program, parameters, { cwd, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
    const chunks: Buffer[] = []
    let bytes = 0
    const collect = (chunk: Buffer) => {
      if (bytes < outputBytes) chunks.push(chunk.subarray(0, outputBytes - bytes))
      bytes += chunk.length
    }
    child.stdout.on('data', collect)
    child.stderr.on('data', collect)

    let timer: NodeJS.Timeout | undefined
    const stop = () => {
      killGroup(child.pid, 'SIGTERM')
      timer = setTimeout(() => killGroup(child.pid, 'SIGKILL'), graceMilliseconds)
    }
    signal?.addEventListener('abort', stop, { once: true })
    const finish = (outcome: () => Outcome) => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', stop)
      try {
        resolve(signal?.aborted ? refuseAborted(program) : outcome())
      } catch (error) {
        reject(error)
      }
    }
    child.once('error', (error: NodeJS.ErrnoException) =>
      finish(() =>
        error.code === 'ENOENT' ? { status: 'missing' } : { status: 'ended', code: 1, output: error.message },
      ),
    )
    child.once('close', (code) =>
      finish(() => ({ status: 'ended', code: code ?? 1, output: Buffer.concat(chunks).toString('utf8') })),
    )
  })
}

function refuseAborted(program: string): never {
  return fail('aborted', { what: program })
}

function killGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return
  try {
    process.kill(-pid, signal)
  } catch {
    // The group has ended by itself.
  }
}
