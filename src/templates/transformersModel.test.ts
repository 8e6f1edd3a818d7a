import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import { goldenNames, nmseOf, readGolden } from '../../tests/parity/golden.ts'
import { decodeTensor } from '../base/dtypes.ts'
import type { Checkpoint } from '../formats/checkpoint.ts'
import { openCheckpoint } from '../formats/openCheckpoint.ts'
import { interpretEmbedding, interpretLogits } from '../parity/interpretModel.ts'
import type { DecoderConfig } from './decoder/decoderConfig.ts'
import { llama } from './llama.ts'
import { readConfig, readModel } from './readModel.ts'
import { transformersModel } from './transformersModel.ts'
import { weightTensor } from './weightRows.ts'
import { configText, writeTransformers } from './writeTransformers.ts'

const dir = mkdtempSync(join(tmpdir(), 'ck-transformers-'))
afterAll(() => rmSync(dir, { recursive: true }))

/** Writes a checkpoint of any source as a transformers folder. */
function rewrite(checkpoint: Checkpoint, out: string): void {
  const { template, config } = readConfig(checkpoint)
  const stored = (name: string) => {
    const tensor = checkpoint.tensors.get(name)!
    return [...decodeTensor(tensor.dtype, checkpoint.read(tensor), tensor.shape[0]!)]
  }
  const model = readModel(checkpoint)
  writeTransformers(out, transformersModel(template, config, stored), (weight) =>
    Float32Array.from(weightTensor(checkpoint, model, [weight], []).data),
  )
}

// One recording per format of GGUF's would only test decoding.
const names = goldenNames().filter((name) => !name.startsWith('gguf-') || /-f(16|32)$/.test(name))

describe('a transformers folder written from any checkpoint', () => {
  it.each(names)('gives the reference logits of %s', (name) => {
    const golden = readGolden(name)
    const source = openCheckpoint(golden.checkpoint)
    rewrite(source, join(dir, name))
    source.close()
    const written = openCheckpoint(join(dir, name))
    const logits = interpretLogits(written, readModel(written), golden.ids)
    written.close()
    expect(nmseOf(golden.logits, logits.data)).toBeLessThan(name.endsWith('-f16') ? 1e-6 : 1e-11)
  })

  it.each(['bert', 'bert-cls'])('gives the embedding of %s, an encoder', (name) => {
    const source = openCheckpoint(fileURLToPath(new URL(`../../tests/parity/embeddings/${name}`, import.meta.url)))
    rewrite(source, join(dir, name))
    const written = openCheckpoint(join(dir, name))
    const [expected, found] = [source, written].map((each) => interpretEmbedding(each, readModel(each), [5, 1, 7]).data)
    expect(found).toEqual(expected)
    source.close()
    written.close()
  })

  it('has the names of a text model where the source has a vision model beside it', () => {
    const checkpoint = openCheckpoint(readGolden('gemma3-vision').checkpoint)
    const { template, config } = readConfig(checkpoint)
    checkpoint.close()
    const { tensors } = transformersModel(template, config, () => [])
    expect(tensors.map(({ name }) => name)).toContain('model.norm.weight')
  })

  it('writes with a decimal point what transformers reads as such', () => {
    expect(configText({ final_logit_softcapping: 30, rms_norm_eps: 1e-6, vocab_size: 7, n: [1] })).toBe(
      '{\n  "final_logit_softcapping": 30.0,\n  "rms_norm_eps": 0.000001,\n  "vocab_size": 7,\n  "n": [\n    1\n  ]\n}\n',
    )
  })

  it('is refused where config.json has no place for what the model is', () => {
    const checkpoint = openCheckpoint(readGolden('llama').checkpoint)
    const config = readConfig(checkpoint).config as DecoderConfig
    checkpoint.close()
    const capped = { ...config, softCaps: { attention: 0, logits: 30 } }
    expect(() => transformersModel(llama, capped, () => [])).toThrow(
      "template 'llama': config.json has no place for softCaps.logits 30; accepted: a GGUF file, which has",
    )
  })
})
