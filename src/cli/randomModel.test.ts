import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { decodeTensor } from '../base/dtypes.ts'
import { openCheckpoint } from '../formats/openCheckpoint.ts'
import { recipeNames } from '../quantize/recipes.ts'
import { randomModel } from './randomModel.ts'
import type { ShapeName } from './shapes.ts'
import { writeRandomModel } from './writeRandomModel.ts'

const dir = mkdtempSync(join(tmpdir(), 'ck-random-'))
afterAll(() => rmSync(dir, { recursive: true }))

const elementsOf = (shape: readonly number[]) => shape.reduce((product, dim) => product * dim, 1)

describe('a random model', () => {
  // As published, with an embedding table that is the head as well.
  const published: readonly [ShapeName, number][] = [
    ['qwen3-0.6b', 596_049_920],
    ['qwen3-4b', 4_022_468_096],
    ['qwen3.5-0.8b', 752_393_024],
    ['llama-3.2-1b', 1_235_814_400],
  ]
  it.each(published)('of the shape %s has as many parameters as that model', (shape, parameters) => {
    const { tensors } = randomModel(shape, 'q8_0')
    const weights = tensors.filter(({ name }) => name !== 'rope_freqs.weight')
    expect(weights.reduce((sum, tensor) => sum + elementsOf(tensor.shape), 0)).toBe(parameters)
  })

  it('of Llama 3.2 stores the divisors of its frequencies, from 1 to the factor', () => {
    const { values } = randomModel('llama-3.2-1b', 'q8_0').tensors.find(({ name }) => name === 'rope_freqs.weight')!
    const divisors = values as readonly number[]
    expect([divisors[0], divisors[31]]).toEqual([1, 32])
    expect([...divisors].toSorted((a, b) => a - b)).toEqual(divisors)
  })

  it.each(recipeNames)(
    'in %s has matrices of the deviation that gives products unit variance, around 0',
    async (recipe) => {
      const path = join(dir, `${recipe}.gguf`)
      await writeRandomModel(path, 'tiny', recipe, { seed: 7n, threads: 1 })
      const checkpoint = openCheckpoint(path)
      const record = checkpoint.tensors.get('token_embd.weight')!
      const elements = elementsOf(record.shape)
      const values = decodeTensor(record.dtype, checkpoint.read(record), elements)
      checkpoint.close()
      const mean = values.reduce((sum, value) => sum + value, 0) / elements
      const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / elements)
      expect(Math.abs(mean)).toBeLessThan(0.02 * deviation)
      expect(deviation * Math.sqrt(64)).toBeCloseTo(1, 1)
    },
  )
})
