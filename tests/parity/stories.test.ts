import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { openCheckpoint } from '../../src/formats/openCheckpoint.ts'
import { interpretLogits } from '../../src/parity/interpretModel.ts'
import { readModel } from '../../src/templates/readModel.ts'
import { build, hasShared, shared } from './golden.ts'

const gguf = join(shared, 'data/stories260K.gguf')

/** The f4 values of a .npy file in C order. */
function readNpy(path: string): Float32Array {
  const file = readFileSync(path)
  const from = 10 + file.readUInt16LE(8)
  return new Float32Array(Uint8Array.from(file.subarray(from)).buffer)
}

function largestError(expected: Float32Array, found: Float32Array | Float64Array): number {
  expect(found.length).toBe(expected.length)
  return expected.reduce((largest, value, i) => Math.max(largest, Math.abs(value - found[i]!)), 0)
}

describe.skipIf(!hasShared)('stories260K (needs ../shared/data)', () => {
  const ids = hasShared ? (JSON.parse(readFileSync(join(shared, 'data/stories260K-ids.json'), 'utf8')) as number[]) : []

  it('writes the published greedy text from BOS', async () => {
    const model = await build(gguf)
    const prompt = model.tokenize('', { addSpecial: true })
    expect([...prompt]).toEqual([1])
    const pieces: string[] = []
    for await (const { text } of model.session({ threads: 2 }).generate(prompt, { temperature: 0, tokens: 200 }))
      pieces.push(text)
    expect(pieces.join('').trim()).toBe(readFileSync(join(shared, 'data/stories260K-greedy-200.txt'), 'utf8').trim())
  })

  it('agrees with the float64 logits to 1e-4 in prefill, decode and interpret', async () => {
    const expected = readNpy(join(shared, 'data/stories260K-logits-64.npy'))
    const some = ids.slice(0, 64)
    const model = await build(gguf)
    const session = model.session()
    const prefill = await session.logits(some)
    expect(largestError(expected, prefill)).toBeLessThan(1e-4)
    expect(await session.logits(some, { mode: 'decode' })).toEqual(prefill)
    const checkpoint = openCheckpoint(gguf)
    expect(largestError(expected, interpretLogits(checkpoint, readModel(checkpoint), some).data)).toBeLessThan(1e-5)
    checkpoint.close()
  })
})
