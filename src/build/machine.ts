import { readdirSync, readFileSync } from 'node:fs'
import { availableParallelism, cpus, totalmem } from 'node:os'
import { join } from 'node:path'
import { hostArch, hostFeatures, sysctl } from './cpu.ts'

export interface Cache {
  readonly level: number
  readonly kind: 'data' | 'instruction' | 'unified'
  /** Of one such cache. */
  readonly bytes: number
  /** CPUs of this machine that share one; undefined where the system does not say. */
  readonly sharedBy?: number
}

export interface Machine {
  /** As targets spell it, e.g. `x86_64`. */
  readonly arch: string
  /** The CPU's name. */
  readonly model: string
  /** In /proc/cpuinfo spelling, sorted. */
  readonly features: readonly string[]
  /** CPUs that this process may use at once. */
  readonly cores: number
  /** Of the first CPU, by level. Empty where the system does not say. */
  readonly caches: readonly Cache[]
  readonly memoryBytes: number
  /** What programs can still get of it. */
  readonly availableBytes: number
}

/** What the system says of this machine. */
export function describeMachine(): Machine {
  return {
    arch: hostArch(),
    model: cpus()[0]?.model.trim() || 'unknown',
    features: [...hostFeatures()].toSorted(),
    cores: availableParallelism(),
    caches: process.platform === 'darwin' ? appleCaches() : linuxCaches('/sys/devices/system/cpu/cpu0/cache'),
    memoryBytes: totalmem(),
    availableBytes: process.availableMemory(),
  }
}

const kinds: { readonly [sysfs: string]: Cache['kind'] } = {
  Data: 'data',
  Instruction: 'instruction',
  Unified: 'unified',
}

/** The caches that a sysfs folder (cpu0/cache) describes; empty where there is none. */
export function linuxCaches(dir: string): readonly Cache[] {
  const read = (entry: string, name: string) => readText(join(dir, entry, name))?.trim()
  const entries = listing(dir).filter((name) => /^index\d+$/.test(name))
  const caches = entries.flatMap((entry) => {
    const kind = kinds[read(entry, 'type') ?? '']
    const level = Number(read(entry, 'level'))
    const bytes = parseSize(read(entry, 'size') ?? '')
    const sharedBy = countCpus(read(entry, 'shared_cpu_list') ?? '')
    if (!kind || !level || bytes === undefined) return []
    return [{ level, kind, bytes, ...(sharedBy === undefined ? {} : { sharedBy }) }]
  })
  return caches.toSorted((a, b) => a.level - b.level || (a.kind < b.kind ? -1 : 1))
}

/** `48K`, `2M` in bytes. */
function parseSize(text: string): number | undefined {
  const match = /^(\d+)([KMG]?)$/.exec(text)
  return match ? Number(match[1]) * 1024 ** ' KMG'.indexOf(match[2] || ' ') : undefined
}

/** The number of CPUs in a list such as `0-3,8`. */
function countCpus(list: string): number | undefined {
  let count = 0
  for (const range of list.split(',')) {
    const match = /^(\d+)(?:-(\d+))?$/.exec(range)
    if (!match) return undefined
    count += Number(match[2] ?? match[1]) - Number(match[1]) + 1
  }
  return count
}

function appleCaches(): readonly Cache[] {
  const keys = [
    { level: 1, kind: 'data', key: 'hw.l1dcachesize' },
    { level: 1, kind: 'instruction', key: 'hw.l1icachesize' },
    { level: 2, kind: 'unified', key: 'hw.l2cachesize' },
    { level: 3, kind: 'unified', key: 'hw.l3cachesize' },
  ] as const
  return keys.flatMap(({ level, kind, key }) => {
    const bytes = Number(sysctl(key) ?? 0)
    return bytes > 0 ? [{ level, kind, bytes }] : []
  })
}

function listing(dir: string): readonly string[] {
  try {
    return readdirSync(dir)
  } catch {
    return []
  }
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
