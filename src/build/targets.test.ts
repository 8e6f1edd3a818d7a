import { describe, expect, it } from 'vitest'
import { parseAppleX86, parseCpuinfo } from './cpu.ts'
import { nativeTarget, resolveTarget, targets } from './targets.ts'

const v3 = 'pni ssse3 sse4_1 sse4_2 popcnt avx avx2 fma f16c bmi1 bmi2 abm'
const v4 = `${v3} avx512f avx512bw avx512vl avx512dq avx512cd`
const chosen = (arch: string, features: string) => nativeTarget(arch, new Set(features.split(' '))).name

describe('the native target', () => {
  it('is the best one whose features the CPU has', () => {
    expect(chosen('x86_64', v3)).toBe('x86-64-v3')
    expect(chosen('x86_64', v4)).toBe('x86-64-v4')
    expect(chosen('x86_64', `${v4} avx512_vnni`)).toBe('x86-64-v4+avx512vnni')
    expect(chosen('x86_64', `${v4} avx512_vnni avx512_bf16`)).toBe('x86-64-v4+avx512bf16')
    expect(chosen('x86_64', `${v4} avx512_vnni avx512_bf16 amx_tile amx_int8`)).toBe('x86-64-v4+amxint8')
    expect(chosen('aarch64', 'fp asimd evtstrm')).toBe('aarch64')
    expect(chosen('aarch64', 'fp asimd crc32 atomics asimdrdm asimddp')).toBe('aarch64+dotprod')
    expect(chosen('aarch64', 'fp asimd crc32 atomics asimdrdm asimddp i8mm')).toBe('aarch64+i8mm')
  })

  it('leaves a step out when one of its features is missing', () => {
    expect(chosen('x86_64', `${v4.replace(' avx512vl', '')} avx512_vnni`)).toBe('x86-64-v3')
    expect(chosen('x86_64', `${v4} avx512_vnni`.replace(' abm', ''))).toBe('scalar')
  })

  it('is scalar for a CPU that is unknown', () => {
    expect(chosen('riscv64', 'fp asimd')).toBe('scalar')
    expect(nativeTarget('x86_64', new Set()).name).toBe('scalar')
  })
})

describe('a target', () => {
  it('is found by its name, and native is one of them', () => {
    for (const target of targets) expect(resolveTarget(target.name)).toBe(target)
    expect(targets).toContain(resolveTarget(undefined))
    expect(resolveTarget('native')).toBe(resolveTarget(undefined))
  })

  it('of another name is refused with the names that are accepted', () => {
    expect(() => resolveTarget('avx9000')).toThrow(
      /^target 'avx9000' is unknown; accepted: native, scalar, x86-64-v3, .*aarch64/,
    )
  })

  it('never depends on the machine that compiles', () => {
    for (const target of targets) expect([...target.flags, ...target.baseFlags].join()).not.toContain('native')
  })
})

describe('CPU features', () => {
  it('are read from the first CPU of cpuinfo', () => {
    expect(parseCpuinfo('processor : 0\nflags\t\t: fpu avx2  fma\n\nprocessor : 1\nflags : other\n')).toEqual(
      new Set(['fpu', 'avx2', 'fma']),
    )
    expect(parseCpuinfo('Features\t: fp asimd asimddp\n')).toEqual(new Set(['fp', 'asimd', 'asimddp']))
    expect(parseCpuinfo('')).toEqual(new Set())
  })

  it('have the names of Linux on a Mac', () => {
    const features = parseAppleX86('FPU SSE3 SSSE3 FMA SSE4.1 SSE4.2 POPCNT F16C AVX1.0 BMI1 AVX2 BMI2 LZCNT')
    expect(nativeTarget('x86_64', features).name).toBe('x86-64-v3')
  })
})
