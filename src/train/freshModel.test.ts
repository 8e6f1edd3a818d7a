import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { openCheckpoint } from '../formats/openCheckpoint.ts'
import { interpretLogits } from '../parity/interpretModel.ts'
import { readModel } from '../templates/readModel.ts'
import { freshCheckpoint, freshFamilies, makeFreshModel, writeFreshModel } from './freshModel.ts'
import type { ModelShape } from './init/freshSizes.ts'
import { initMethodNames } from './init/initMethods.ts'

const dir = mkdtempSync(join(tmpdir(), 'ck-fresh-'))
afterAll(() => rmSync(dir, { recursive: true }))

const tiny: ModelShape = { vocab: 53, dim: 32, layers: 4, hidden: 40, heads: 4, contextLen: 32 }
const ids = [3, 1, 4, 1, 5, 9, 2, 6]

describe('a fresh model', () => {
  it.each(freshFamilies)('of %s is read back from its folder and from memory with equal logits', (family) => {
    const model = makeFreshModel(family, tiny, { seed: 7 })
    writeFreshModel(join(dir, family), model)
    const [folder, memory] = [openCheckpoint(join(dir, family)), freshCheckpoint(model)]
    const [written, held] = [folder, memory].map((each) => interpretLogits(each, readModel(each), ids).data)
    expect(held).toEqual(written)
    expect(written!.every(Number.isFinite)).toBe(true)
    expect(new Set(written).size).toBeGreaterThan(50)
    folder.close()
    memory.close()
  })

  it('has the same bytes for the same seed, and others for another', () => {
    const bytes = (name: string, seed: number) => {
      writeFreshModel(join(dir, name), makeFreshModel('qwen3', tiny, { seed }))
      return readFileSync(join(dir, name, 'model.safetensors'))
    }
    const first = bytes('a', 1)
    expect(bytes('b', 1).equals(first)).toBe(true)
    expect(bytes('c', 2).equals(first)).toBe(false)
  })

  it.each(initMethodNames)('drawn by %s has the deviation that the method asks for', (method) => {
    const { valuesOf } = makeFreshModel('llama', { ...tiny, dim: 64, hidden: 192 }, { method })
    const values = valuesOf('blk.0.ffn_up.weight')
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length
    const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length)
    const expected = {
      normal: 0.02,
      // Of a normal distribution between its second deviations.
      truncated_normal: 0.02 * 0.8796,
      xavier_uniform: Math.sqrt(2 / 256),
      xavier_normal: Math.sqrt(2 / 256),
      kaiming_uniform: Math.sqrt(2 / 64),
      kaiming_normal: Math.sqrt(2 / 64),
    }[method]
    expect(Math.abs(deviation / expected - 1)).toBeLessThan(0.02)
    expect(Math.abs(mean)).toBeLessThan(0.05 * expected)
  })

  it('begins norms and biases as the family does', () => {
    const gains = (family: string) => {
      const { tensors, valuesOf } = makeFreshModel(family, tiny)
      return [...tensors.find(({ name }) => /input_layernorm|ln_1/.test(name))!.encode(valuesOf)]
    }
    expect(new Set(gains('llama'))).toEqual(new Set([1]))
    expect(new Set(gains('gemma3'))).toEqual(new Set([0]))
    const gpt2 = makeFreshModel('gpt2', tiny)
    const spread = (weight: string) => Math.sqrt(gpt2.valuesOf(weight).reduce((sum, v) => sum + v * v, 0) / 1024)
    expect(spread('blk.0.attn_output.weight')).toBeCloseTo(0.02 / Math.sqrt(8), 3)
    expect(new Set(gpt2.valuesOf('blk.1.ffn_up.bias'))).toEqual(new Set([0]))
  })

  it('completes its sizes', () => {
    const of = (family: string, shape: ModelShape) => makeFreshModel(family, shape).sizes
    expect(of('qwen3', { vocab: 10 })).toMatchObject({
      dim: 256,
      ffn: 768,
      heads: 4,
      kvHeads: 2,
      headDim: 64,
      layers: 4,
    })
    expect(of('gpt2', { vocab: 10, dim: 128 })).toMatchObject({ ffn: 512, heads: 2, kvHeads: 2, headDim: 64 })
    expect(of('llama', { vocab: 10, hidden: 96, headDim: 8 })).toMatchObject({
      dim: 96,
      ffn: 96,
      heads: 12,
      kvHeads: 6,
    })
  })

  it.each<[string, Partial<ModelShape>, string]>([
    ['qwen3', { kvHeads: 3 }, "kvHeads is '3'; accepted: a divisor of the 4 heads"],
    ['qwen3', { heads: 5 }, "heads is '5'; accepted: a divisor of dim, which is 32, or a headDim beside it"],
    ['qwen3', { headDim: 7 }, "headDim is '7'; accepted: a multiple of 2 up to 65536"],
    ['glm', { headDim: 6 }, "headDim is '6'; accepted: a multiple of 4 up to 65536"],
    [
      'qwen3',
      { heads: 32 },
      "heads is '32'; accepted: as many that dim / heads, here 1, is a multiple of 2 up to 65536",
    ],
    ['gpt2', { heads: 3 }, "heads is '3'; accepted: a divisor of dim, which is 32"],
    ['gpt2', { kvHeads: 2 }, "kvHeads is '2'; accepted: 4, as many as heads, in this family"],
    ['gpt2', { theta: 5 }, "theta is '5'; accepted: nothing: this family learns its positions"],
    ['qwen3', { window: 5 }, "window is '5'; accepted: nothing: this family has no windows"],
    ['qwen3', { vocab: 0 }, "vocab is '0'; accepted: a whole number from 1 to 16777216"],
    [
      'qwen3',
      { dim: 2 ** 24, hidden: 4096, headDim: 8 },
      /^dim is '16777216'; accepted: sizes of which no tensor/ as never,
    ],
    ['qwen', {}, /^template is 'qwen'; accepted: 'qwen2'\? \(of llama, / as never],
  ])('of %s with %j is refused', (family, more, sentence) => {
    expect(() => makeFreshModel(family, { ...tiny, ...more })).toThrow(sentence)
  })
})
