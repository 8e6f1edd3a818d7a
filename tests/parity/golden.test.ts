import { describe, expect, it } from 'vitest'
import { openCheckpoint } from '../../src/formats/openCheckpoint.ts'
import { interpretLogits } from '../../src/parity/interpretModel.ts'
import { readModel } from '../../src/templates/readModel.ts'
import { build, goldenNames, nmseOf, readGolden } from './golden.ts'

/** Products with quantised activations: ggml's own bound for an op, here for whole models. */
const quantisedBound = 2e-3

/** Refuses other bits. Bytes are compared, for an expectation that looks at every number takes longer than the model. */
function expectSame(found: Float32Array, expected: Float32Array) {
  const [bytes, others] = [found, expected].map(({ buffer, byteOffset, byteLength }) =>
    Buffer.from(buffer, byteOffset, byteLength),
  )
  expect(bytes!.equals(others!)).toBe(true)
}

describe.each(goldenNames())('%s against its PyTorch reference', (name) => {
  const golden = readGolden(name)

  it('interprets to NMSE 1e-12', () => {
    const checkpoint = openCheckpoint(golden.checkpoint)
    const logits = interpretLogits(checkpoint, readModel(checkpoint), golden.ids)
    checkpoint.close()
    expect(nmseOf(golden.logits, logits.data)).toBeLessThan(1e-12)
  })

  it('computes in f32 to NMSE 1e-9, with equal bits in every mode and for any number of threads', async () => {
    const model = await build(golden.checkpoint, { strict: true })
    const session = model.session({ threads: 1 })
    const prefill = await session.logits(golden.ids)
    expect(nmseOf(golden.logits, prefill)).toBeLessThan(1e-9)
    expectSame(await session.logits(golden.ids, { mode: 'decode' }), prefill)
    for (const threads of [2, 3, 5]) {
      const other = model.session({ threads })
      expectSame(await other.logits(golden.ids), prefill)
      expectSame(await other.logits(golden.ids, { mode: 'decode' }), prefill)
      await other.close()
    }
  })

  it('computes in its own dtypes as closely, with equal bits in every mode and for any number of threads', async () => {
    const model = await build(golden.checkpoint)
    const session = model.session({ threads: 1 })
    const prefill = await session.logits(golden.ids)
    expect(nmseOf(golden.logits, prefill)).toBeLessThan(golden.isQuantised ? quantisedBound : 1e-9)
    expectSame(await session.logits(golden.ids, { mode: 'decode' }), prefill)
    const other = model.session({ threads: 3 })
    expectSame(await other.logits(golden.ids, { mode: 'decode' }), prefill)
  })
})

describe.each(['scalar', 'x86-64-v3'])('target %s', (target) => {
  it.skipIf(target !== 'scalar' && process.arch !== 'x64')(
    'gives the reference logits (x86-64-v3 needs an x86-64 CPU)',
    async () => {
      for (const name of [
        'llama',
        'qwen3',
        'gguf-llama-q8_0',
        'gguf-llama-q4_K_m',
        'gguf-qwen3-iq4_nl-mxfp4',
        'qwen35',
      ]) {
        const golden = readGolden(name)
        const model = await build(golden.checkpoint, { target })
        const logits = await model.session({ threads: 2 }).logits(golden.ids)
        expect(nmseOf(golden.logits, logits)).toBeLessThan(golden.isQuantised ? quantisedBound : 1e-9)
      }
    },
  )
})
