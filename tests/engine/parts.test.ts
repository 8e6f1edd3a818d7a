import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import koffi, { type LibraryHandle } from 'koffi'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { scratchFolder } from './fixture.ts'

const folder = scratchFolder()
let library: LibraryHandle

beforeAll(() => {
  library = koffi.load(folder.build(join(folder.path, 'libmodel.so')))
})
afterAll(folder.remove)

describe('utf8', () => {
  /** What src/engine/utf8.h makes of bytes: characters, U+FFFD, and U+FFFD for an unfinished end. */
  function decode(bytes: Uint8Array): string {
    const next = library.func('ck_utf8_next', 'int', ['void *', 'int64_t'])
    let text = ''
    for (let at = 0; at < bytes.length; ) {
      const rest = bytes.slice(at)
      const step = Number(next(rest, rest.length))
      text += step > 0 ? Buffer.from(rest.subarray(0, step)).toString('utf8') : '\ufffd'
      at += step === 0 ? rest.length : Math.abs(step)
    }
    return text
  }
  const standard = new TextDecoder('utf-8', { ignoreBOM: true })

  it('reads every two bytes as the standard does', () => {
    for (let first = 0; first < 256; first++) {
      for (let second = 0; second < 256; second += first < 0x80 ? 17 : 1) {
        const bytes = Uint8Array.of(first, second)
        expect(decode(bytes)).toBe(standard.decode(bytes))
      }
    }
  })

  it('reads the edges of its ranges as the standard does, whole and cut', () => {
    const codes = [0x7f, 0x80, 0x7ff, 0x800, 0xfff, 0x1000, 0xcfff, 0xd7ff, 0xe000, 0xffff, 0x10000, 0x3ffff, 0x10ffff]
    const beyond = [
      [0xed, 0xa0, 0x80],
      [0xf4, 0x90, 0x80, 0x80],
      [0xe0, 0x9f, 0xbf],
      [0xf0, 0x8f, 0xbf, 0xbf],
      [0xf5, 0x80],
    ]
    for (const whole of [...codes.map((code) => [...Buffer.from(String.fromCodePoint(code))]), ...beyond]) {
      for (let bytes = 1; bytes <= whole.length; bytes++) {
        for (const after of [[], [0x41], [0xff], [0xc3, 0xa9]]) {
          const text = Uint8Array.from([...whole.slice(0, bytes), ...after])
          expect(decode(text), String(text)).toBe(standard.decode(text))
        }
      }
    }
  })

  it('cuts an unfinished character off the end, and nothing else', () => {
    const whole = library.func('ck_utf8_whole', 'int64_t', ['void *', 'int64_t'])
    const cut = (...bytes: number[]) => Number(whole(Uint8Array.from(bytes), bytes.length))
    expect([cut(), cut(0x61), cut(0x61, 0xc3), cut(0xc3, 0xa9), cut(0xe2, 0x82), cut(0x61, 0xf0, 0x9f, 0x98)]).toEqual([
      0, 1, 1, 2, 0, 1,
    ])
    expect([cut(0x80, 0x80, 0x80, 0x80), cut(0x61, 0xff)]).toEqual([4, 2])
  })
})

describe('crc32', () => {
  it('is that of zlib, for every length and start', () => {
    const crc = library.func('ck_crc32', 'uint32_t', ['void *', 'uint64_t'])
    const bytes = Uint8Array.from({ length: 64 }, (_, i) => (i * 167 + 13) % 256)
    for (let from = 0; from < 9; from++) {
      for (let to = from; to < bytes.length; to++) {
        const part = bytes.slice(from, to)
        expect(crc(part, part.length)).toBe(crc32(part))
      }
    }
  })
})

describe('cpu', () => {
  const cpuinfo = '/proc/cpuinfo'
  it.skipIf(!existsSync(cpuinfo))('has the instruction sets that the system lists (needs /proc/cpuinfo)', () => {
    const has = library.func('ck_cpu_has', 'int', ['str'])
    const listed = /^(?:flags|Features)\s*:\s*(.*)$/m.exec(readFileSync(cpuinfo, 'utf8'))?.[1]?.split(/\s+/) ?? []
    const known = { x64: x86Features, arm64: armFeatures }[process.arch as string] ?? []
    for (const feature of known)
      expect({ feature, has: has(feature) }).toEqual({ feature, has: +listed.includes(feature) })
    expect(has('avx9000')).toBe(0)
  })

  it('has at least one core', () => {
    expect(library.func('ck_cpu_cores', 'int', [])()).toBeGreaterThanOrEqual(1)
  })
})

const x86Features = (
  'sse sse2 pni ssse3 cx16 sse4_1 sse4_2 movbe popcnt xsave fma avx f16c bmi1 avx2 bmi2 avx512f avx512dq avx512ifma ' +
  'avx512cd avx512bw avx512vl avx512vbmi avx512_vbmi2 gfni vaes vpclmulqdq avx512_vnni avx512_bitalg ' +
  'avx512_vpopcntdq avx512_fp16 avx_vnni avx512_bf16 amx_bf16 amx_tile amx_int8 ' +
  'lahf_lm abm'
).split(' ')
const armFeatures = 'fp asimd aes pmull crc32 atomics fphp asimdhp asimdrdm asimddp sve asimdfhm sve2 i8mm bf16'.split(
  ' ',
)
