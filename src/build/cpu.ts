import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

/** Architectures that have targets, as compilers spell them. */
export type CpuArch = 'x86_64' | 'aarch64'

const archNames: { readonly [nodeName: string]: CpuArch } = { x64: 'x86_64', arm64: 'aarch64' }

/** The architecture of this machine: a `CpuArch`, or Node's own name of another one. */
export function hostArch(): string {
  return archNames[process.arch] ?? process.arch
}

/** What this CPU has, in /proc/cpuinfo spelling. Empty where the system does not say. */
export function hostFeatures(): ReadonlySet<string> {
  if (process.platform === 'darwin') return process.arch === 'arm64' ? appleArmFeatures() : appleX86Features()
  return parseCpuinfo(readOrEmpty('/proc/cpuinfo'))
}

/** The features that the first CPU of a /proc/cpuinfo lists: `flags` on x86, `Features` on ARM. */
export function parseCpuinfo(text: string): ReadonlySet<string> {
  return new Set(/^(?:flags|Features)\s*:\s*(.*)$/m.exec(text)?.[1]?.split(/\s+/).filter(Boolean))
}

// Where the name is another one than Linux's; the others differ only by case.
const appleX86Names: { readonly [name: string]: string } = {
  'avx1.0': 'avx',
  sse3: 'pni',
  'sse4.1': 'sse4_1',
  'sse4.2': 'sse4_2',
  lzcnt: 'abm',
  avx512vnni: 'avx512_vnni',
}

/** Linux names for the answers of sysctl machdep.cpu.features, .leaf7_features and .extfeatures. */
export function parseAppleX86(text: string): ReadonlySet<string> {
  const names = text.toLowerCase().split(/\s+/).filter(Boolean)
  return new Set(names.map((name) => appleX86Names[name] ?? name))
}

function appleX86Features(): ReadonlySet<string> {
  const keys = ['features', 'leaf7_features', 'extfeatures']
  return parseAppleX86(keys.map((key) => sysctl(`machdep.cpu.${key}`) ?? '').join(' '))
}

// Every ARM CPU of Apple has ARMv8.2 or later.
function appleArmFeatures(): ReadonlySet<string> {
  const always = ['fp', 'asimd', 'crc32', 'atomics', 'asimdrdm']
  const asked = Object.entries({ asimddp: 'DotProd', i8mm: 'I8MM' })
  const found = asked.filter(([, key]) => sysctl(`hw.optional.arm.FEAT_${key}`) === '1')
  return new Set([...always, ...found.map(([feature]) => feature)])
}

/** One value of macOS's sysctl; undefined where there is no such key. */
export function sysctl(key: string): string | undefined {
  try {
    return execFileSync('sysctl', ['-n', key], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  } catch {
    return undefined
  }
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
