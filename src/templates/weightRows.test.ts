import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import { type BlockDtype, bytesOf, dtypes, numberToHalf } from '../base/dtypes.ts'
import { openCheckpoint } from '../formats/openCheckpoint.ts'
import { writeSafetensors } from '../formats/writeSafetensors.ts'
import { readRows } from './weightRows.ts'
import { findSource, rowsAndColsOf } from './weightSource.ts'

const goldens = fileURLToPath(new URL('../../tests/parity/goldens/', import.meta.url))
const dir = mkdtempSync(join(tmpdir(), 'ck-rows-'))
afterAll(() => rmSync(dir, { recursive: true }))

describe('a transformers folder whose tensors are not as ours', () => {
  const matrix = Float32Array.from({ length: 35 }, (_, i) => i / 4)
  const halves = Uint16Array.from({ length: 35 }, (_, i) => numberToHalf(i))
  const gain = Float32Array.of(-1, 0, 0.25)
  writeFileSync(join(dir, 'config.json'), JSON.stringify({ architectures: ['GPT2LMHeadModel'] }))
  writeSafetensors(join(dir, 'model.safetensors'), [
    { name: 'm', dtype: 'f32', shape: [5, 7], data: new Uint8Array(matrix.buffer) },
    { name: 'h', dtype: 'f16', shape: [5, 7], data: new Uint8Array(halves.buffer) },
    { name: 'g', dtype: 'f32', shape: [3], data: new Uint8Array(gain.buffer) },
  ])
  const checkpoint = openCheckpoint(dir)
  afterAll(() => checkpoint.close())
  const specOf = (name: string, transform: 'transpose' | 'plusOne', ...shape: number[]) =>
    ({ name, gguf: name, transformers: name, shape, transform }) as const
  const floats = (bytes: Uint8Array) => [...new Float32Array(bytes.slice().buffer)]

  it('reads columns as rows, from and to any of them', () => {
    const source = findSource(checkpoint, specOf('m', 'transpose', 7, 5))
    expect(rowsAndColsOf(source)).toEqual({ rows: 7, cols: 5 })
    const columns = [2, 3, 4].flatMap((col) => [0, 1, 2, 3, 4].map((row) => matrix[row * 7 + col]!))
    expect(floats(readRows(checkpoint, 'm', source, 'f32', 2, 3))).toEqual(columns)
  })

  it('reads columns of halves, as they are and as f32', () => {
    const source = findSource(checkpoint, specOf('h', 'transpose', 7, 5))
    const kept = readRows(checkpoint, 'h', source, 'f16', 6, 1)
    expect([...new Uint16Array(kept.slice().buffer)]).toEqual([6, 13, 20, 27, 34].map(numberToHalf))
    expect(floats(readRows(checkpoint, 'h', source, 'f32', 0, 1))).toEqual([0, 7, 14, 21, 28])
  })

  it('adds one to gains that are stored less one', () => {
    const source = findSource(checkpoint, specOf('g', 'plusOne', 3))
    expect(floats(readRows(checkpoint, 'g', source, 'f32', 0, 1))).toEqual([0, 1, 1.25])
  })

  it('refuses a matrix that is not transposed, naming the shape it should have', () => {
    expect(() => findSource(checkpoint, specOf('m', 'transpose', 5, 7))).toThrow('[7, 5]')
  })
})

/** A golden with every scale of row `row` of a tensor in turn made infinite or NaN. */
function* spoiled(golden: string, tensor: string, dtype: BlockDtype, row: number) {
  const path = join(goldens, golden, 'model.gguf')
  const checkpoint = openCheckpoint(path)
  const record = checkpoint.tensors.get(tensor)!
  checkpoint.close()
  expect(record.dtype).toBe(dtype)
  const rowBytes = bytesOf(dtype, record.shape[1]!)!
  const { blockBytes, scales } = dtypes[dtype]
  for (const [i, { at, type }] of scales.entries()) {
    const bytes = readFileSync(path)
    const scale = record.offset + (row + 1) * rowBytes - blockBytes + at
    if (type === 'e8m0') bytes[scale] = 255
    else bytes.writeUInt16LE([0x7c00, 0xfe01][i % 2]!, scale)
    const out = join(dir, `${dtype}-${at}.gguf`)
    writeFileSync(out, bytes)
    yield out
  }
}

it.each([
  ['gguf-llama-q4_K_m', 'blk.0.attn_q.weight', 'q4_K'],
  ['gguf-llama-q4_K_m', 'blk.0.attn_v.weight', 'q6_K'],
  ['gguf-llama-q2_K-q3_K', 'blk.0.attn_q.weight', 'q2_K'],
  ['gguf-llama-q4_1-q5', 'blk.0.attn_q.weight', 'q4_1'],
  ['gguf-qwen3-iq4_nl-mxfp4', 'blk.1.ffn_up.weight', 'mxfp4'],
] as const)('refuses rows of %s whose %s (%s) has a scale that is no number', (golden, tensor, dtype) => {
  for (const path of spoiled(golden, tensor, dtype, 5)) {
    const checkpoint = openCheckpoint(path)
    const record = checkpoint.tensors.get(tensor)!
    const source = { from: 'tensor', tensor: record } as const
    expect(readRows(checkpoint, 'w', source, dtype, 0, 5).length).toBe(5 * bytesOf(dtype, record.shape[1]!)!)
    const refusal = `${path}: row 5 of tensor '${tensor}' has a block with a scale that is infinite or not a number`
    for (const to of [dtype, 'f32'] as const) expect(() => readRows(checkpoint, 'w', source, to, 3, 8)).toThrow(refusal)
    checkpoint.close()
  }
})
