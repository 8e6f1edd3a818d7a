import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { afterAll, describe, expect, it } from 'vitest'
import { parseBumpHeader, readBumpHeader, writeBump } from './bump.ts'
import { memorySource } from './byteSource.ts'

const dir = mkdtempSync(join(tmpdir(), 'ck-bump-'))
afterAll(() => rmSync(dir, { recursive: true }))

const weightsId = Uint8Array.from({ length: 32 }, (_, i) => 200 - i)
const weights = Uint8Array.from({ length: 5000 }, (_, i) => (i * 7) & 255)
const tokenizer = Uint8Array.from({ length: 77 }, (_, i) => i)
const content = { weightsId, weightsBytes: 5000, weights: [weights.subarray(0, 4097), weights.subarray(4097)] }

function write(name: string, more: { tokenizer?: Uint8Array } = {}): string {
  const path = join(dir, name)
  writeBump(path, { ...content, ...more })
  return path
}

describe('writeBump', () => {
  it('puts weights and tokenizer on pages, as its header says', () => {
    const path = write('whole', { tokenizer })
    const header = readBumpHeader(path)
    expect(header).toEqual({
      weightsId,
      fileBytes: 12288 + 77,
      weightsOffset: 4096,
      weightsBytes: 5000,
      weightsCrc32: crc32(weights),
      tokenizerOffset: 12288,
      tokenizerBytes: 77,
      tokenizerCrc32: crc32(tokenizer),
    })
    const file = readFileSync(path)
    expect(file.subarray(4096, 9096).equals(weights)).toBe(true)
    expect(file.subarray(12288).equals(tokenizer)).toBe(true)
  })

  it('lays the header out as ck_bump_header', () => {
    const file = readFileSync(write('layout', { tokenizer }))
    expect(file.toString('latin1', 0, 8)).toBe('CKWEIGHT')
    expect(file.readUInt32LE(8)).toBe(1)
    expect(file.readUInt32LE(12)).toBe(crc32(file.subarray(16, 128)))
    expect(file.subarray(16, 48).equals(weightsId)).toBe(true)
    expect([48, 56, 64, 80, 88].map((at) => Number(file.readBigUInt64LE(at)))).toEqual([12365, 4096, 5000, 12288, 77])
    expect([72, 76].map((at) => file.readUInt32LE(at))).toEqual([crc32(weights), crc32(tokenizer)])
    expect(file.subarray(96, 4096).every((byte) => byte === 0)).toBe(true)
  })

  it('marks an absent tokenizer with zeros', () => {
    expect(readBumpHeader(write('ids'))).toMatchObject({ tokenizerOffset: 0, tokenizerBytes: 0, tokenizerCrc32: 0 })
  })

  it('refuses other than the planned bytes and leaves no file', () => {
    const path = join(dir, 'short')
    expect(() => writeBump(path, { ...content, weightsBytes: 5001 })).toThrow(/5000 bytes of weights were given/)
    expect(readdirSync(dir).filter((name) => name.startsWith('short'))).toEqual([])
  })
})

describe('parseBumpHeader', () => {
  const parseChanged = (change: (file: Buffer) => Buffer | undefined, fixChecksum = false) => {
    const file = readFileSync(write('changed', { tokenizer }))
    const changed = change(file) ?? file
    if (fixChecksum) changed.writeUInt32LE(crc32(changed.subarray(16, 128)), 12)
    return () => parseBumpHeader(memorySource('w.bump', changed))
  }

  it('refuses another magic, another version, a damaged header and a cut file', () => {
    expect(parseChanged((file) => void file.write('X'))).toThrow(/w\.bump at byte 0: does not begin with CKWEIGHT/)
    expect(parseChanged((file) => void file.writeUInt32LE(2, 8))).toThrow(/at byte 8: version 2; accepted: version 1/)
    expect(parseChanged((file) => void file.writeUInt8(9, 70))).toThrow(/does not match its checksum/)
    expect(parseChanged((file) => file.subarray(0, 12300))).toThrow(/at byte 48: 12365 bytes; accepted: at most/)
    expect(parseChanged((file) => file.subarray(0, 100))).toThrow(/w\.bump at byte 100: the file ends here/)
  })

  it('refuses sections that leave the file or overlap', () => {
    const set = (at: number, value: bigint) => parseChanged((file) => void file.writeBigUInt64LE(value, at), true)
    expect(set(48, 12364n)).toThrow(/the header says 12364 bytes/)
    expect(set(56, 0n)).toThrow(/weights at byte 0/)
    expect(set(56, 4100n)).toThrow(/weights at byte 4100/)
    expect(set(64, 12000n)).toThrow(/weights at byte 4096, 12000 bytes/)
    expect(set(64, 2n ** 63n)).toThrow(/at byte 64: 9223372036854775808 bytes/)
    expect(set(80, 8192n)).toThrow(/tokenizer at byte 8192/)
    expect(set(88, 78n)).toThrow(/tokenizer at byte 12288, 78 bytes/)
  })
})
