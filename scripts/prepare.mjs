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

/** Brings dist/ up to date where a source is newer; gives the exit code of scripts/compile.mjs. One process at a time builds. */
export function buildDist() {
  if (isFresh()) return 0
  takeLock()
  try {
    if (isFresh()) return 0
    process.stderr.write('building dist/\n')
    return runStep(process.execPath, 'scripts/compile.mjs')
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

/** The modules of src/ that dist/ holds, as paths in it. */
export function sources() {
  const names = readdirSync(join(root, 'src'), { recursive: true })
  return names.filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
}

function isFresh() {
  const built = join(root, 'dist', 'ck', 'main.js')
  if (!existsSync(built)) return false
  const inputs = [...sources().map((name) => join('src', name)), 'scripts/compile.mjs', 'package-lock.json']
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
