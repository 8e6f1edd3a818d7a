import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { openCheckpoint } from './openCheckpoint.ts'
import { openSafetensors } from './openSafetensors.ts'
import type { TensorData } from './tensorData.ts'
import { blockBytes, writeBeside } from './writeBeside.ts'
import { writeGguf } from './writeGguf.ts'
import { streamSafetensors, writeSafetensors } from './writeSafetensors.ts'

const dir = mkdtempSync(join(tmpdir(), 'ck-writers-'))
afterAll(() => rmSync(dir, { recursive: true }))

const bytes = (count: number, seed: number) => Uint8Array.from({ length: count }, (_, i) => (i * 31 + seed) & 255)
const pieces = (...parts: Uint8Array[]) => ({ data: () => parts })

const plain: readonly TensorData[] = [
  { name: 'half', dtype: 'f16', shape: [3], data: bytes(6, 1) },
  { name: 'größe', dtype: 'f32', shape: [2, 3], ...pieces(bytes(20, 2), bytes(0, 0), bytes(4, 3)) },
  { name: 'brain', dtype: 'bf16', shape: [1, 2, 2], data: bytes(8, 4) },
]

describe('writeSafetensors', () => {
  it('is read back as written, in pieces or whole', () => {
    const path = join(dir, 'plain.safetensors')
    writeSafetensors(path, plain, { format: 'pt', note: 'ü' })
    const file = openSafetensors(path)
    expect([...file.metadata]).toEqual([
      ['format', 'pt'],
      ['note', 'ü'],
    ])
    for (const { name, dtype, shape } of plain) expect(file.tensors.get(name)).toMatchObject({ name, dtype, shape })
    expect(file.read(file.tensors.get('größe')!)).toEqual(Uint8Array.of(...bytes(20, 2), ...bytes(4, 3)))
    expect(file.read(file.tensors.get('brain')!, 2, 3)).toEqual(bytes(8, 4).subarray(2, 5))
    expect(file.headerBytes % 8).toBe(0)
    expect(file.tensors.get('größe')!.offset).toBe(file.headerBytes)
    file.close()
  })

  it('has the same bytes where its data comes as a stream', async () => {
    const [whole, streamed] = ['whole', 'streamed'].map((name) => join(dir, `${name}.safetensors`))
    const streams = plain.map((tensor) => ({
      ...tensor,
      async *data() {
        yield* typeof tensor.data === 'function' ? tensor.data() : [tensor.data]
      },
    }))
    writeSafetensors(whole!, plain, { format: 'pt' })
    await streamSafetensors(streamed!, streams, { format: 'pt' })
    expect(readFileSync(streamed!).equals(readFileSync(whole!))).toBe(true)
    const short = [{ ...streams[0]!, shape: [4] }]
    await expect(streamSafetensors(join(dir, 'refused.safetensors'), short)).rejects.toThrow(/with 6 bytes of data/)
    expect(readdirSync(dir).filter((name) => name.startsWith('refused'))).toEqual([])
  })

  it.each([
    ['a block format', [{ ...plain[0]!, dtype: 'q8_0', shape: [32], data: bytes(34, 0) }], /type q8_0; accepted types/],
    ['a name given twice', [plain[0]!, plain[0]!], /tensor 'half' is given twice/],
    ['too little data', [{ ...plain[0]!, shape: [4] }], /shape \[4\] with 6 bytes of data; accepted: 8 bytes/],
    ['the name of the metadata', [{ ...plain[0]!, name: '__metadata__' }], /a tensor is called '__metadata__'/],
  ] as const)('refuses %s and leaves no file', (_, tensors, message) => {
    const path = join(dir, 'refused.safetensors')
    expect(() => writeSafetensors(path, tensors)).toThrow(message)
    expect(readdirSync(dir).filter((name) => name.startsWith('refused'))).toEqual([])
  })
})

describe('writeGguf', () => {
  const quantised: TensorData = { name: 'q', dtype: 'q4_0', shape: [2, 64], data: bytes(72, 5) }
  const metadata = {
    'general.architecture': { type: 'string', value: 'llama' },
    'general.alignment': { type: 'uint32', value: 64 },
    tokens: { type: 'array', of: 'string', value: ['a', '▁b'] },
  } as const

  it('is read back as written', () => {
    const path = join(dir, 'Some Model.gguf')
    writeGguf(path, metadata, [...plain, quantised])
    const checkpoint = openCheckpoint(path)
    expect([checkpoint.architecture, checkpoint.name]).toEqual(['llama', 'Some Model'])
    expect(checkpoint.description.format === 'gguf' && [...checkpoint.description.metadata]).toEqual(
      Object.entries(metadata).map(([key, { value }]) => [key, value]),
    )
    for (const { name, dtype, shape } of [...plain, quantised]) {
      expect(checkpoint.tensors.get(name)).toMatchObject({ dtype, shape })
      expect(checkpoint.tensors.get(name)!.offset % 64).toBe(0)
    }
    expect(checkpoint.read(checkpoint.tensors.get('q')!)).toEqual(bytes(72, 5))
    expect(checkpoint.read(checkpoint.tensors.get('half')!)).toEqual(bytes(6, 1))
    checkpoint.close()
  })

  it('gives the same bytes for the same arguments', () => {
    const paths = ['1', '2'].map((name) => join(dir, `twice-${name}.gguf`))
    for (const path of paths) writeGguf(path, metadata, plain)
    expect(readFileSync(paths[0]!).equals(readFileSync(paths[1]!))).toBe(true)
  })

  it.each([
    ['a number that its type does not hold', { k: { type: 'uint8', value: 256 } }, [], /'k' is 256 as uint8; accepted/],
    ['a fraction as integer', { k: { type: 'array', of: 'int32', value: [0.5] } }, [], /'k' is 0.5 as int32/],
    ['half a surrogate pair', { k: { type: 'string', value: '\ud800' } }, [], /half a surrogate pair/],
    ['an alignment of 7', { 'general.alignment': { type: 'uint32', value: 7 } }, [], /'general.alignment' is uint32 7/],
    [
      'a scalar',
      {},
      [{ ...plain[0]!, shape: [], data: bytes(2, 0) }],
      /tensor 'half' has shape \[\]; accepted: 1 to 4/,
    ],
    [
      'a broken block',
      {},
      [{ ...quantised, shape: [48] }],
      /tensor 'q' has shape \[48\]; accepted: rows of a multiple/,
    ],
    ['a row of half a block', {}, [{ ...quantised, shape: [2, 48] }], /tensor 'q' has shape \[2, 48\]/],
    ['an arena format', {}, [{ ...quantised, dtype: 'a8' }], /tensor 'q' has type a8/],
  ] as const)('refuses %s and leaves no file', (_, keys, tensors, message) => {
    expect(() => writeGguf(join(dir, 'refused.gguf'), keys, tensors)).toThrow(message)
    expect(readdirSync(dir).filter((name) => name.startsWith('refused'))).toEqual([])
  })
})

describe('writeBeside', () => {
  it('keeps the older file and removes its own where the data raises an error', () => {
    const path = join(dir, 'older')
    writeFileSync(path, 'older')
    const action = () =>
      writeBeside(path, (file) => {
        file.append(bytes(9, 0))
        throw new Error('the source broke')
      })
    expect(action).toThrow('the source broke')
    expect(readFileSync(path, 'utf8')).toBe('older')
    expect(readdirSync(dir).filter((name) => name.startsWith('older'))).toEqual(['older'])
  })

  it('writes pieces of any size, and what is overwritten between them, byte for byte', () => {
    const path = join(dir, 'pieces')
    const expected = bytes(4 * blockBytes + 300, 7)
    const sizes = [1, blockBytes - 2, 2, 2 * blockBytes, 100]
    writeBeside(path, (file) => {
      let at = 0
      for (const size of sizes) {
        file.append(expected.subarray(at, at + size))
        at += size
        expect(file.size).toBe(at)
      }
      expected.set([1, 2, 3], at - 2)
      file.overwrite(at - 2, expected.subarray(at - 2, at))
      file.append(expected.subarray(at))
    })
    expect(readFileSync(path).equals(expected)).toBe(true)
  })

  it('names the path and the cause where the folder is missing', () => {
    const path = join(dir, 'nowhere', 'x')
    expect(() => writeBeside(path, () => {})).toThrow(`${path}: cannot be written (ENOENT); nothing was left behind`)
  })

  it.skipIf(!existsSync('/dev/full'))('refuses on a full disk and leaves nothing (needs /dev/full)', () => {
    const path = join(dir, 'full')
    symlinkSync('/dev/full', `${path}.partial-${process.pid}`)
    expect(() => writeSafetensors(path, plain)).toThrow(`${path}: cannot be written (ENOSPC)`)
    expect(readdirSync(dir).filter((name) => name.startsWith('full'))).toEqual([])
  })
})
