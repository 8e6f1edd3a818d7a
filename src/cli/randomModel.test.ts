import { describe, expect, it } from 'vitest'
import { decodeTensor, dtypes } from '../base/dtypes.ts'
import { randomModel } from './randomModel.ts'
import { drawFrom, randomBytes, randomFormatNames } from './randomWeights.ts'
import type { ShapeName } from './shapes.ts'

const elementsOf = (shape: readonly number[]) => shape.reduce((product, dim) => product * dim, 1)

describe('a random model', () => {
  // As published, with an embedding table that is the head as well.
  const published: readonly [ShapeName, number][] = [
    ['qwen3-0.6b', 596_049_920],
    ['qwen3-4b', 4_022_468_096],
    ['llama-3.2-1b', 1_235_814_400],
  ]
  it.each(published)('of the shape %s has as many parameters as that model', (shape, parameters) => {
    const { tensors } = randomModel(shape, 'q8_0', 1n)
    const weights = tensors.filter(({ name }) => name !== 'rope_freqs.weight')
    expect(weights.reduce((sum, tensor) => sum + elementsOf(tensor.shape), 0)).toBe(parameters)
  })

  it('of Llama 3.2 stores the divisors of its frequencies, from 1 to the factor', () => {
    const tensor = randomModel('llama-3.2-1b', 'q8_0', 1n).tensors.find(({ name }) => name === 'rope_freqs.weight')!
    const values = decodeTensor('f32', tensor.data as Uint8Array, 32)
    expect([values[0], values[31]]).toEqual([1, 32])
    expect([...values].toSorted((a, b) => a - b)).toEqual([...values])
  })
})

describe('random weights', () => {
  it.each(randomFormatNames)('in %s have the deviation that was asked for, around 0', (format) => {
    const elements = 2 ** 17
    const pieces = [...randomBytes(format, elements, 0.05, drawFrom(7n, 0))].map((piece) => piece.slice())
    const bytes = Buffer.concat(pieces)
    expect(bytes.length).toBe((elements / dtypes[format].blockElements) * dtypes[format].blockBytes)
    const values = decodeTensor(format, bytes, elements)
    const mean = values.reduce((sum, value) => sum + value, 0) / elements
    const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / elements)
    expect(Math.abs(mean)).toBeLessThan(0.15 * 0.05)
    expect(deviation / 0.05).toBeCloseTo(1, 1)
  })
})
