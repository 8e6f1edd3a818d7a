import { fail } from '../base/errors.ts'
import type { Isa } from '../kernels/kernel.ts'
import { type CpuArch, hostArch, hostFeatures } from './cpu.ts'

/** What a model is compiled for. The flags name each instruction set, so that a name means the same code everywhere. */
export interface Target {
  readonly name: string
  /** The body of simd.h that the flags select. */
  readonly isa: Isa
  readonly arch: CpuArch | 'any'
  /** Compiler flags of the kernels and of model.c. */
  readonly flags: readonly string[]
  /** Compiler flags that every CPU of `arch` can run: for the engine, which must be able to say what is missing. */
  readonly baseFlags: readonly string[]
  /** What the CPU must have, in /proc/cpuinfo spelling: every extension that `flags` let the compiler use. */
  readonly cpuFeatures: readonly string[]
}

const x86 = ['-march=x86-64']
const arm = ['-march=armv8-a']

// gcc knows -march=x86-64-v3 only from version 11 on. What -mavx2 implies, from SSE3 to POPCNT, is listed as features.
const v3 = {
  flags: [...x86, '-mavx2', '-mfma', '-mf16c', '-mbmi', '-mbmi2', '-mlzcnt'],
  features: [
    ...['pni', 'ssse3', 'sse4_1', 'sse4_2', 'popcnt', 'avx'],
    ...['avx2', 'fma', 'f16c', 'bmi1', 'bmi2', 'abm'],
  ],
}
const v4 = {
  flags: [...v3.flags, '-mavx512f', '-mavx512bw', '-mavx512vl', '-mavx512dq', '-mavx512cd'],
  features: [...v3.features, 'avx512f', 'avx512bw', 'avx512vl', 'avx512dq', 'avx512cd'],
}

const vnni = {
  flags: [...v4.flags, '-mavx512vnni'],
  features: [...v4.features, 'avx512_vnni'],
}
const bfloat = {
  flags: [...vnni.flags, '-mavx512bf16'],
  features: [...vnni.features, 'avx512_bf16'],
}
const dotprod = ['fp', 'asimd', 'crc32', 'atomics', 'asimdrdm', 'asimddp']

/** Every target. Of one architecture, a later one is the better choice where the CPU has its features. */
export const targets: readonly Target[] = [
  { name: 'scalar', isa: 'scalar', arch: 'any', flags: ['-DCK_ISA_SCALAR'], baseFlags: [], cpuFeatures: [] },
  { name: 'x86-64-v3', isa: 'avx2', arch: 'x86_64', flags: v3.flags, baseFlags: x86, cpuFeatures: v3.features },
  {
    name: 'x86-64-v3+avxvnni',
    isa: 'avx2',
    arch: 'x86_64',
    flags: [...v3.flags, '-mavxvnni'],
    baseFlags: x86,
    cpuFeatures: [...v3.features, 'avx_vnni'],
  },
  { name: 'x86-64-v4', isa: 'avx512', arch: 'x86_64', flags: v4.flags, baseFlags: x86, cpuFeatures: v4.features },
  {
    name: 'x86-64-v4+avx512vnni',
    isa: 'avx512',
    arch: 'x86_64',
    flags: vnni.flags,
    baseFlags: x86,
    cpuFeatures: vnni.features,
  },
  {
    name: 'x86-64-v4+avx512bf16',
    isa: 'avx512',
    arch: 'x86_64',
    flags: bfloat.flags,
    baseFlags: x86,
    cpuFeatures: bfloat.features,
  },
  {
    name: 'x86-64-v4+amxint8',
    isa: 'avx512',
    arch: 'x86_64',
    flags: [...bfloat.flags, '-mamx-tile', '-mamx-int8'],
    baseFlags: x86,
    cpuFeatures: [...bfloat.features, 'amx_tile', 'amx_int8'],
  },
  { name: 'aarch64', isa: 'neon', arch: 'aarch64', flags: arm, baseFlags: arm, cpuFeatures: ['fp', 'asimd'] },
  {
    name: 'aarch64+dotprod',
    isa: 'neon',
    arch: 'aarch64',
    // gcc has the dot product's intrinsics from ARMv8.2 on only, which lets it use the other extensions as well.
    flags: ['-march=armv8.2-a+dotprod'],
    baseFlags: arm,
    cpuFeatures: dotprod,
  },
  {
    name: 'aarch64+i8mm',
    isa: 'neon',
    arch: 'aarch64',
    flags: ['-march=armv8.2-a+dotprod+i8mm'],
    baseFlags: arm,
    cpuFeatures: [...dotprod, 'i8mm'],
  },
]

/** The best target for a CPU of `arch` with these features; `scalar` where the CPU is unknown. */
export function nativeTarget(arch: string, features: ReadonlySet<string>): Target {
  const fitting = targets.filter(
    (target) =>
      (target.arch === 'any' || target.arch === arch) && target.cpuFeatures.every((feature) => features.has(feature)),
  )
  // `scalar` fits every CPU.
  return fitting.at(-1)!
}

/**
 * The target of this name; `native` (the default) is the best one for this CPU. Refuses `target_unknown`.
 */
export function resolveTarget(name: string | undefined): Target {
  if (name === undefined || name === 'native') return nativeTarget(hostArch(), hostFeatures())
  const target = targets.find((candidate) => candidate.name === name)
  if (target) return target
  return fail('target_unknown', { found: name, accepted: ['native', ...targets.map((known) => known.name)].join(', ') })
}
