import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { type BlockDtype, blockDtypes, decodeTensor, dtypes } from '../../src/base/dtypes.ts'

/** Blocks of a format and the float32 values that the gguf package gives for them (oracles/formats.py). */
function readGolden(dtype: BlockDtype): { blocks: Uint8Array; values: Float32Array } {
  const file = readFileSync(new URL(`goldens/${dtype}.safetensors`, import.meta.url))
  const headerBytes = Number(file.readBigUInt64LE(0))
  const header = JSON.parse(file.toString('utf8', 8, 8 + headerBytes)) as Record<string, { data_offsets: number[] }>
  const bytes = (name: string) => {
    const [from, to] = header[name]!.data_offsets.map((offset) => 8 + headerBytes + offset)
    return Uint8Array.from(file.subarray(from, to))
  }
  return { blocks: bytes('blocks'), values: new Float32Array(bytes('values').buffer) }
}

describe.each(blockDtypes)('blocks of %s', (dtype) => {
  it('decode to the values that the gguf package gives, to the bit', () => {
    const { blocks, values } = readGolden(dtype)
    expect(values.length).toBe((blocks.length / dtypes[dtype].blockBytes) * dtypes[dtype].blockElements)
    expect(Float32Array.from(decodeTensor(dtype, blocks, values.length))).toEqual(values)
  })
})
