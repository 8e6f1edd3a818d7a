import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { cacheFolder } from '../../src/build/cacheFolder.ts'
import { runCommandLine } from '../../src/cli/commandLine.ts'
import { noProgress } from '../../src/cli/progress.ts'

export const root = fileURLToPath(new URL('../../', import.meta.url))
export const demo = join(root, 'models/demo.gguf')
export const data = join(root, '../shared/data')
export const stories = join(data, 'stories260K.gguf')
export const hasData = existsSync(stories)

/** For make: a compiler that compiles equal sources once. */
export const keepingCc = {
  CC: join(root, 'tests/cli/keepingCc.sh'),
  KEPT_OBJECTS: join(cacheFolder(), 'made'),
  KEPT_PATH: process.env.PATH ?? '',
}

/** How a command ended. `code` is null where a signal ended it. */
export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
  readonly seconds: number
}

/** Gives a signal to send to the program; only the first one is sent. */
type Listener = (text: string) => NodeJS.Signals | undefined

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  /** Standard input; default: none. */
  readonly input?: string
  /** Called with all of the text so far whenever more of it comes. */
  readonly onStdout?: Listener
  readonly onStderr?: Listener
}

/** The real command line, and a folder of this test file with the cache in it. */
export interface Ck {
  readonly folder: string
  readonly cache: string
  (parameters: readonly string[], options?: RunOptions): Promise<Ended>
  /** `ckHere` with this cache. */
  here(parameters: readonly string[]): Promise<EndedHere>
  remove(): void
}

type EndedHere = Pick<Ended, 'code' | 'stdout' | 'stderr'>

/** What a cache holds that is named by its content. */
const named = ['objects', 'probe', 'tokenizer', 'trainer']

/**
 * Brings dist/ up to date and gives `ck` as a child process with a cache of its own, of which only what is named by its
 * content is that of all test files.
 */
export function openCk(): Ck {
  execFileSync(process.execPath, ['scripts/prepare.mjs'], { cwd: root, stdio: 'pipe' })
  const folder = mkdtempSync(join(tmpdir(), 'ck-cli-'))
  const cache = join(folder, 'cache')
  mkdirSync(cache)
  for (const name of named) {
    const shared = join(cacheFolder(), name)
    mkdirSync(shared, { recursive: true })
    symlinkSync(shared, join(cache, name))
  }
  const main = join(root, 'dist/ck/main.js')
  const ck = (parameters: readonly string[], { env, ...options }: RunOptions = {}) =>
    runProgram(process.execPath, [main, ...parameters], { ...options, env: { CK_CACHE: cache, ...env } })
  const here = (parameters: readonly string[]) => ckHere(parameters, { CK_CACHE: cache })
  return Object.assign(ck, { folder, cache, here, remove: () => rmSync(folder, { recursive: true, force: true }) })
}

let latest: Promise<unknown> = Promise.resolve()

/**
 * `ck` in this process, which is far quicker: for what commands write and refuse, not for how a process starts and ends.
 * `env` is ours meanwhile, so that one runs after the other.
 */
export function ckHere(parameters: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<EndedHere> {
  const ended = latest.then(() => runHere(parameters, env))
  latest = ended.catch(() => undefined)
  return ended
}

async function runHere(parameters: readonly string[], env: Readonly<Record<string, string>>): Promise<EndedHere> {
  const before = { ...process.env }
  let [stdout, stderr] = ['', '']
  try {
    Object.assign(process.env, env)
    const code = await runCommandLine(parameters, {
      out: (text) => {
        stdout += text
      },
      note: (line) => {
        stderr += `${line}\n`
      },
      signal: new AbortController().signal,
      progress: noProgress,
    })
    return { code, stdout, stderr }
  } finally {
    for (const name of Object.keys(env)) delete process.env[name]
    Object.assign(process.env, before)
  }
}

/** Runs a program to its end; `env` is added to ours. */
export function runProgram(
  program: string,
  parameters: readonly string[],
  { env, cwd = root, input, onStdout, onStderr }: RunOptions,
): Promise<Ended> {
  const start = performance.now()
  return new Promise((resolve, reject) => {
    const child = spawn(program, parameters, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    child.stdin.on('error', () => {}).end(input ?? '')
    let stdout = ''
    let stderr = ''
    let isSignalled = false
    const tell = (listener: Listener | undefined, text: string) => {
      const signal = isSignalled ? undefined : listener?.(text)
      if (signal) isSignalled = child.kill(signal)
    }
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text
      tell(onStdout, stdout)
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text
      tell(onStderr, stderr)
    })
    child.once('error', reject)
    child.once('close', (code) => resolve({ code, stdout, stderr, seconds: (performance.now() - start) / 1000 }))
  })
}
