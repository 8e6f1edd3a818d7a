import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Library, loadLibrary } from '../../src/run/library.ts'
import { scratchFolder, sealed, writeWeights } from './fixture.ts'

const folder = scratchFolder()
let library: Library
let fileNumber = 0

beforeAll(() => {
  library = loadLibrary(folder.build(join(folder.path, 'libmodel.so')), folder.path)
})
afterAll(folder.remove)

/** Writes a good file, changed by `change`, and opens it. The header's checksum is right again unless `seal` is false. */
async function openChanged(change: (file: Buffer) => Buffer | undefined, seal = true) {
  const path = join(folder.path, `${fileNumber++}.bump`)
  const good = readFileSync(writeWeights(path, { pieces: ['Hello'] }))
  const changed = change(good) ?? good
  writeFileSync(path, seal && changed.length >= 128 ? sealed(changed) : changed)
  const answer = await library.modelOpen(path)
  if (answer.status !== 'ok') return { status: answer.status, message: answer.message.replace(`${path}`, 'FILE') }
  const verified = await library.modelVerify(answer.value)
  library.modelClose(answer.value)
  return { status: verified.status, message: verified.status === 'ok' ? '' : verified.message }
}

describe('opening a weights file', () => {
  it('accepts the file that was written', async () => {
    expect((await openChanged(() => undefined)).status).toBe('ok')
  })

  it('refuses what is no file, or no longer there', async () => {
    const missing = await library.modelOpen(join(folder.path, 'nothing'))
    expect(missing).toMatchObject({ status: 'file', message: expect.stringContaining('cannot be opened') })
    mkdirSync(join(folder.path, 'directory'))
    const directory = await library.modelOpen(join(folder.path, 'directory'))
    expect(directory).toMatchObject({ status: 'file', message: expect.stringContaining('not a regular file') })
  })

  it('keeps the sentence whole characters long where the path is longer than the message', async () => {
    const answer = await library.modelOpen(`/${'ü'.repeat(400)}`)
    expect(answer.status === 'ok' ? '' : answer.message).toMatch(/^\/ü{250,255}$/)
  })

  const offsets = {
    version: 8,
    crc: 12,
    id: 16,
    file: 48,
    offset: 56,
    bytes: 64,
    tables: 80,
    tablesBytes: 88,
    zero: 96,
  }
  const write = (at: number, value: bigint) => (file: Buffer) => void file.writeBigUInt64LE(value, at)
  const cases: readonly [what: string, change: (file: Buffer) => Buffer | undefined, says: string][] = [
    ['an empty file', () => Buffer.alloc(0), 'has 0 bytes'],
    [
      'a file shorter than the header',
      (file) => file.subarray(0, 127),
      'has 127 bytes; a weights.bump file has at least',
    ],
    ['another magic', (file) => void file.write('GGUF', 0), 'FILE: does not begin with CKWEIGHT'],
    [
      'another version',
      (file) => void file.writeUInt32LE(2, offsets.version),
      'FILE at byte 8: version is 2; accepted: 1',
    ],
    ['another build', (file) => void file.write('F', offsets.id), 'weights of another build'],
    [
      'a truncated file',
      (file) => file.subarray(0, file.length - 1),
      'FILE at byte 48: says 30496 bytes and the file has 30495',
    ],
    ['an unaligned offset', write(offsets.offset, 4100n), 'FILE at byte 56: weights at 4100'],
    ['an offset past the end', write(offsets.offset, 1n << 60n), 'FILE at byte 56: weights at 1152921504606846976'],
    ['weights over the header', write(offsets.offset, 0n), 'FILE at byte 56: weights at 0'],
    [
      'a size past the end',
      write(offsets.bytes, (1n << 64n) - 1n),
      'FILE at byte 56: weights at 4096 of 18446744073709551615',
    ],
    ['another size', write(offsets.bytes, 19452n), 'FILE at byte 64: has 19452 bytes of weights; accepted: 19456'],
    ['tables past the end', write(offsets.tables, 1n << 40n), 'FILE at byte 80: tokenizer at 1099511627776'],
    ['tables over the weights', write(offsets.tables, 20480n), 'outside the weights'],
    ['tables of no bytes', write(offsets.tablesBytes, 0n), 'FILE at byte 80: tokenizer at 24576 of 0'],
    ['a set reserved byte', (file) => void file.writeUInt8(1, offsets.zero + 3), 'FILE at byte 99: is 1; accepted: 0'],
    ['damaged tables', (file) => void file.writeUInt8(9, 24576), "FILE at byte 24576: the tokenizer's checksum"],
  ]
  for (const [what, change, says] of cases) {
    it(`refuses ${what}`, async () => {
      const answer = await openChanged(change)
      expect(answer).toMatchObject({ status: 'format', message: expect.stringContaining(says) })
    })
  }

  it('refuses a header that does not agree with its checksum', async () => {
    const answer = await openChanged((file) => void file.writeUInt8(1, 40), false)
    expect(answer).toMatchObject({ status: 'format', message: expect.stringContaining('FILE at byte 12: the header') })
  })

  it('finds damaged weights when asked to verify, not when opened', async () => {
    const answer = await openChanged((file) => void file.writeUInt8(file[5000]! ^ 1, 5000))
    expect(answer).toMatchObject({ status: 'format', message: expect.stringContaining('the checksum of the weights') })
  })

  it('refuses tables that the tokenizer refuses', async () => {
    const { crc32 } = await import('node:zlib')
    const answer = await openChanged((file) => {
      file.writeUInt32LE(43, 24576)
      file.writeUInt32LE(crc32(file.subarray(24576)), 76)
      return file
    })
    expect(answer.status).toBe('tokenizer')
  })
})

describe('opening a program', () => {
  it('refuses sizes that contradict each other', async () => {
    const path = folder.build(join(folder.path, 'contradiction.so'), { defines: ['FIXTURE_ROWS=1000000'] })
    const answer = await loadLibrary(path, folder.path).modelOpen('anything')
    expect(answer).toMatchObject({ status: 'format', message: expect.stringContaining('contradict each other') })
  })

  it('refuses a CPU that lacks what it was compiled for before it looks at the file', async () => {
    const path = folder.build(join(folder.path, 'cpu.so'), { defines: ['FIXTURE_FEATURE="avx9000","avx9001"'] })
    const answer = await loadLibrary(path, folder.path).modelOpen('anything')
    expect(answer).toMatchObject({
      status: 'cpu',
      message: expect.stringContaining('built for test, and this CPU lacks avx9000, avx9001;'),
    })
  })
})

describe('a context', () => {
  it('refuses arguments out of their ranges with what would be accepted', async () => {
    const path = join(folder.path, 'good.bump')
    writeWeights(path)
    const model = resultOf(await library.modelOpen(path))
    expect(library.contextOpen(model, 0)).toMatchObject({
      status: 'argument',
      message: 'threads is 0; accepted: 1 to 64',
    })
    const context = resultOf(library.contextOpen(model, 2))
    const messageOf = async (ids: number[], rows = 0) => {
      const batch = { ids: Int32Array.from(ids), sequences: 0, outputs: rows }
      const answer = await library.sequence.contextEval(context, 'prefill', batch, new Float32Array(300))
      return answer.status === 'ok' ? 'ok' : `${answer.status}: ${answer.message}`
    }
    expect(await messageOf([1, 2])).toBe('ok')
    expect(await messageOf([3, 300])).toBe(
      'argument: token id 300 at position 3 is outside the vocabulary; accepted: 0 to 299',
    )
    expect(await messageOf([-1])).toContain('token id -1 at position 2')
    expect(await messageOf([1], 2)).toBe('argument: 2 logits rows; accepted: 0 to the 1 tokens given')
    expect(await messageOf(new Array(63).fill(0))).toBe(
      'context: 63 tokens after the 2 held do not fit the context; accepted: at most 64 in all (build with a larger --context)',
    )
    expect(library.sequence.position(context, 0)).toBe(2)
    expect(library.sequence.rewind(context, 0, 3)).toMatchObject({
      message: 'position is 3; accepted: 0 to the 2 tokens held',
    })
    expect(library.contextPeek(context, 20604, 1)).toMatchObject({ status: 'argument' })
    expect(library.contextPeek(context, 2 ** 53, 0)).toMatchObject({ status: 'argument' })
    expect(library.contextPeek(context, 20603, 1)).toMatchObject({ status: 'ok' })
    library.contextClose(context)
    library.modelClose(model)
  })

  it('flushes denormals in every part', async () => {
    const path = join(folder.path, 'flush.bump')
    writeWeights(path)
    const model = resultOf(await library.modelOpen(path))
    const context = resultOf(library.contextOpen(model, 8))
    await library.sequence.contextEval(context, 'decode', { ids: Int32Array.of(1), sequences: 0, outputs: 0 }, null)
    const flushes = resultOf(library.contextPeek(context, 20604 - 256, 32))
    expect([...new Int32Array(flushes.buffer)]).toEqual([1, 1, 1, 1, 1, 1, 1, 1])
    library.contextClose(context)
    library.modelClose(model)
  })
})

function resultOf<T>(answer: { status: string; value?: T; message?: string }): T {
  if (answer.value === undefined) throw new Error(answer.message)
  return answer.value
}
