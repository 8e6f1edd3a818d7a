import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { hostArch, hostFeatures } from '../../src/build/cpu.ts'
import { type Target, targets } from '../../src/build/targets.ts'
import { isas } from '../../src/kernels/kernel.ts'
import { type Family, familyNames } from '../../src/kernels/registry.ts'
import { answers } from '../answers.ts'

/** A way to run the kernels on this machine. */
export interface KernelTarget extends Target {
  readonly lanes: number
  /** Of the link alone. */
  readonly linkFlags: readonly string[]
  /** `library`: in this process. `driver`: in another one, which `command` starts. */
  readonly how: 'library' | 'driver'
  readonly command: readonly string[]
  /** The kernel families that it compiles otherwise than another target of its ISA does; absent: all. */
  readonly only?: readonly Family[]
  /** Why it cannot run here; undefined: it can. */
  readonly missing: string | undefined
}

const host = hostArch()
const features = hostFeatures()
const compiler = process.env.CC ?? 'cc'
// What the address sanitizer sees anyway takes a third of the time to compile: null pointers and ends of objects.
const sanitizers = ['-fsanitize=address,undefined', '-fno-sanitize=null,object-size', '-fno-sanitize-recover=all']

const firstMissing = (programs: readonly string[]) => programs.find((program) => !answers(program))

// The families that take sums of products of 8-bit codes: by dot.h in both, by matrix.h in linear alone; products of pairs are in
// matmul alone. The C of all others is, preprocessed, that of the target without the instruction, which has every family.
const withDots = ['linear', 'embedding'] as const
const withMatrices = ['linear'] as const
const withPairs = ['matmul'] as const
const partial: { readonly [target: string]: readonly Family[] } = {
  'x86-64-v3+avxvnni': withDots,
  'x86-64-v4+avx512vnni': withDots,
  'aarch64+dotprod': withDots,
  'x86-64-v4+avx512bf16': withPairs,
  'x86-64-v4+amxint8': withMatrices,
  'aarch64+i8mm': withMatrices,
}

/** The kernel families that a target of src/build compiles otherwise than another one of its ISA does. */
export function familiesOf(target: string): readonly Family[] {
  return partial[target] ?? familyNames
}

const native = targets.map((target): KernelTarget => {
  const emulated = target.arch === 'aarch64' && host !== 'aarch64'
  const lacks = target.cpuFeatures.find((feature) => !features.has(feature))
  const tool = emulated ? firstMissing(['aarch64-linux-gnu-gcc', 'qemu-aarch64']) : firstMissing([compiler])
  const foreign = target.arch !== 'any' && target.arch !== host && !emulated
  return {
    ...target,
    lanes: isas[target.isa].lanes,
    linkFlags: emulated ? ['-static'] : [],
    how: emulated ? 'driver' : 'library',
    command: emulated ? ['qemu-aarch64'] : [],
    ...(partial[target.name] ? { only: partial[target.name]! } : {}),
    missing: foreign
      ? `needs a ${target.arch} CPU`
      : tool
        ? `needs ${tool}`
        : lacks && !emulated
          ? `needs a CPU with ${lacks}`
          : undefined,
  }
})

// The body of AVX-VNNI on a CPU that has the same instruction in the encoding of AVX-512 only.
const narrow = native
  .filter(({ name }) => name === 'x86-64-v3')
  .map((target): KernelTarget => {
    const lacks = ['avx512_vnni', 'avx512vl'].find((feature) => !features.has(feature))
    return {
      ...target,
      name: 'x86-64-v3 with 256-bit avx512vnni',
      flags: [...target.flags, '-mavx512vl', '-mavx512vnni'],
      only: withDots,
      missing: target.missing ?? (lacks && `needs a CPU with ${lacks}`),
    }
  })

/** Compiler flags for a header before everything else. Objects are kept by their flags: those name what it holds. */
function withHeader(file: string): string[] {
  const header = fileURLToPath(new URL(file, import.meta.url))
  const content = createHash('sha256').update(readFileSync(header)).digest('hex').slice(0, 16)
  return ['-include', header, `-DCK_HEADER_HASH=0x${content}`]
}

// Instructions in plain C, on a CPU that has the rest.
const inPlainC = native
  .filter(({ name }) => name === 'x86-64-v4+avx512vnni')
  .flatMap((target) =>
    [
      { what: 'tiles', file: 'emulatedTiles.h', only: withMatrices },
      { what: 'pairs', file: 'emulatedPairs.h', only: withPairs },
    ].map(({ what, file, only }): KernelTarget => {
      const flags = [...target.flags, ...withHeader(file)]
      return { ...target, name: `${target.name} with emulated ${what}`, flags, only }
    }),
  )

// Vectors of 16 lanes on a CPU with half of that, in what takes a fifth of the time to compile. x86-64-v4 has a body of dots
// that few CPUs with AVX-512 ever run.
const inHalves = native
  .filter(({ name }) => name === 'x86-64-v3')
  .map((target): KernelTarget => {
    const flags = [...target.flags, ...withHeader('emulatedVectors.h'), '-Wno-psabi', '-O1', '-DCK_UNROLL=']
    const missing = target.missing ?? (features.has('avx512f') ? 'needs a CPU without avx512f' : undefined)
    const wide = { isa: 'avx512', lanes: isas.avx512.lanes } as const
    return { ...target, ...wide, name: 'x86-64-v4 with emulated vectors', flags, missing }
  })

// The sanitizers watch the best body that this CPU runs, in what takes half the time to compile: loops that are not
// unrolled, and variables that are watched until their function ends, not their block.
const best = native.filter((target) => target.how === 'library' && !target.missing).slice(-1)
const watched = best.map((target): KernelTarget => {
  const flags = [...target.flags, '-Og', '-g1', '-DCK_UNROLL=', ...sanitizers, '-fno-sanitize-address-use-after-scope']
  const { only: _, ...whole } = target
  return { ...whole, name: `${target.name} under sanitizers`, flags, linkFlags: sanitizers, how: 'driver' }
})

/** Every target with the reason why it cannot run here, where there is one. */
export const kernelTargets: readonly KernelTarget[] = [...native, ...narrow, ...inPlainC, ...inHalves, ...watched]
