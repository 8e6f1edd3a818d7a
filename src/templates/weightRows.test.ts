import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, it } from 'vitest'
import { type BlockDtype, bytesOf, dtypes } from '../base/dtypes.ts'
import { openCheckpoint } from '../formats/openCheckpoint.ts'
import { readRows } from './weightRows.ts'

const goldens = fileURLToPath(new URL('../../tests/parity/goldens/', import.meta.url))
const dir = mkdtempSync(join(tmpdir(), 'ck-rows-'))
afterAll(() => rmSync(dir, { recursive: true }))

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
