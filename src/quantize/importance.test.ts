import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { writeGguf } from '../formats/writeGguf.ts'
import { readImportance, writeImportance } from './importance.ts'

const dir = mkdtempSync(join(tmpdir(), 'ck-importance-'))
afterAll(() => rmSync(dir, { recursive: true }))

const floats = (...values: number[]) => new Uint8Array(Float32Array.from(values).buffer)

/** A file as llama.cpp wrote them before GGUF. */
function dat(name: string, ...entries: readonly { name: string; calls: number; sums: number[] }[]): string {
  const i32 = (value: number) => Buffer.from(Int32Array.of(value).buffer)
  const parts = entries.flatMap(({ name, calls, sums }) => [
    ...[i32(name.length), Buffer.from(name), i32(calls), i32(sums.length), floats(...sums)],
  ])
  const path = join(dir, name)
  writeFileSync(path, Buffer.concat([i32(entries.length), ...parts, i32(3), i32(1), Buffer.from('t')]))
  return path
}

describe('an importance matrix', () => {
  it('is read back as mean squares', () => {
    const path = join(dir, 'written.gguf')
    const sums = new Map([
      ['blk.1.ffn_down.weight', { squares: Float64Array.of(2, 4, 8), count: 4 }],
      ['blk.0.attn_q.weight', { squares: Float64Array.of(1, 0), count: 2 }],
    ])
    writeImportance(path, sums, { dataset: 'text.txt', chunks: 7, chunkTokens: 512 })
    const { chunks, columns } = readImportance(path)
    expect(chunks).toBe(7)
    expect([...columns]).toEqual([
      ['blk.0.attn_q.weight', Float32Array.of(0.5, 0)],
      ['blk.1.ffn_down.weight', Float32Array.of(0.5, 1, 2)],
    ])
  })

  it('of stacked experts counts each by itself, and one without tokens evenly', () => {
    const path = join(dir, 'experts.gguf')
    writeGguf(path, {}, [
      { name: 'blk.0.ffn_up_exps.weight.in_sum2', dtype: 'f32', shape: [2, 2], data: floats(2, 4, 0, 0) },
      { name: 'blk.0.ffn_up_exps.weight.counts', dtype: 'f32', shape: [2, 1], data: floats(2, 0) },
    ])
    expect(readImportance(path).columns.get('blk.0.ffn_up_exps.weight')).toEqual(Float32Array.of(1, 2, 1, 1))
  })

  it('of the older format is read too', () => {
    const { chunks, columns } = readImportance(dat('old.dat', { name: 'output.weight', calls: 2, sums: [2, 6] }))
    expect(chunks).toBe(3)
    expect([...columns]).toEqual([['output.weight', Float32Array.of(1, 3)]])
  })

  it('is refused where it is none, or holds what is no mean square', () => {
    const other = join(dir, 'other.gguf')
    writeGguf(other, {}, [{ name: 'a', dtype: 'f32', shape: [1], data: floats(1) }])
    expect(() => readImportance(other)).toThrow(/no tensor's name ends in .in_sum2; accepted: an importance matrix/)
    const half = join(dir, 'half.gguf')
    writeGguf(half, {}, [{ name: 'a.in_sum2', dtype: 'f32', shape: [1], data: floats(1) }])
    expect(() => readImportance(half)).toThrow(/tensor 'a.counts' is missing/)
    for (const bad of [Number.NaN, -1, Number.POSITIVE_INFINITY]) {
      expect(() => readImportance(dat('bad.dat', { name: 'a', calls: 1, sums: [1, bad] }))).toThrow(
        /column 1 of 'a' has the mean square (NaN|-1|Infinity); accepted: finite numbers/,
      )
    }
    const text = join(dir, 'text.txt')
    writeFileSync(text, 'not an importance matrix at all')
    expect(() => readImportance(text)).toThrow(/number of entries is \d+; accepted: an importance matrix/)
    writeFileSync(text, '')
    expect(() => readImportance(text)).toThrow(/file ends|number of entries/)
  })
})
