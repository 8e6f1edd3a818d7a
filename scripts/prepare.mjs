// What `npm start` and `npm test` need before their work: packages and a built dist/. Plain Node, so that it runs before
// anything is installed. Run by itself it brings dist/ up to date.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, rmdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('..', import.meta.url))

const needed = [20, 15]
const lock = join(root, 'node_modules', '.ck-build')
const lockMilliseconds = 120_000

/** Ends the process with one sentence where Node is too old. */
export function requireNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  if (major > needed[0] || (major === needed[0] && minor >= needed[1])) return
  process.stderr.write(`Node ${process.versions.node} is too old; accepted: Node ${needed.join('.')} or newer\n`)
  process.exit(1)
}

/** Installs the packages where they are missing or older than package-lock.json. */
export function installPackages() {
  const installed = join(root, 'node_modules', '.package-lock.json')
  if (existsSync(installed) && modified(installed) >= modified(join(root, 'package-lock.json'))) return
  process.stderr.write('installing packages (npm ci)\n')
  const npm = process.env.npm_execpath
  if (runStep(...(npm ? [process.execPath, npm] : ['npm']), 'ci', '--no-audit', '--no-fund') !== 0) process.exit(1)
}

/** Compiles src/ to dist/ where a source is newer; gives the compiler's exit code. One process at a time builds. */
export function buildDist() {
  if (isFresh()) return 0
  takeLock()
  try {
    if (isFresh()) return 0
    process.stderr.write('building dist/\n')
    const code = runStep(process.execPath, 'node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json')
    return code === 0 ? runStep(process.execPath, 'scripts/bundle.mjs') : code
  } finally {
    rmdirSync(lock)
  }
}

/** Runs a program in the repository with our input and output; gives its exit code. */
export function runStep(program, ...parameters) {
  const { status, error } = spawnSync(program, parameters, { cwd: root, stdio: 'inherit' })
  if (error) process.stderr.write(`${program}: ${error.message}\n`)
  return status ?? 1
}

/** Begins a program in the repository with our input and output; resolves to its exit code. */
export function startStep(program, ...parameters) {
  return new Promise((resolve) => {
    const child = spawn(program, parameters, { cwd: root, stdio: 'inherit' })
    child.once('error', (error) => {
      process.stderr.write(`${program}: ${error.message}\n`)
      resolve(1)
    })
    child.once('close', (code) => resolve(code ?? 1))
  })
}

function isFresh() {
  const built = join(root, 'dist', 'ck', 'main.js')
  if (!existsSync(built)) return false
  const sources = readdirSync(join(root, 'src'), { recursive: true }).filter(
    (name) => name.endsWith('.ts') && !name.endsWith('.test.ts'),
  )
  const inputs = [
    ...sources.map((name) => join('src', name)),
    'tsconfig.json',
    'tsconfig.build.json',
    'scripts/bundle.mjs',
  ]
  return inputs.every((name) => modified(join(root, name)) <= modified(built))
}

function modified(path) {
  return statSync(path).mtimeMs
}

function takeLock() {
  for (;;) {
    try {
      mkdirSync(lock)
      return
    } catch (error) {
      if (error.code !== 'EEXIST') throw error
      // Its owner was killed.
      if (existsSync(lock) && Date.now() - modified(lock) > lockMilliseconds) rmdirSync(lock)
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200)
    }
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = buildDist()
