import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { openCheckpoint } from '../../src/formats/openCheckpoint.ts'
import { interpretGradients } from '../../src/parity/interpretGradients.ts'
import { readModel } from '../../src/templates/readModel.ts'
import { goldenNames, readGolden } from './golden.ts'

/** What oracles/gradients.py records: per tensor its norm and its products with vectors 1, 2 and 3. */
interface RecordedGradients {
  readonly ids: readonly (readonly number[])[]
  readonly loss: number
  readonly tensors: { readonly [name: string]: readonly number[] }
}

/** How far each figure may be, relative to the norm of its tensor. */
const bound = 1e-6

/** A norm of this share of the largest is rounding: a bias of keys without turns moves all scores of a row alike. */
const nothing = 1e-12

/** The recorded vector: numbers from -1 to 1 of a linear congruential generator. */
function* vector(seed: number): Generator<number, never> {
  for (let state = seed; ; ) {
    state = (Math.imul(1664525, state) + 1013904223) >>> 0
    yield state / 2 ** 31 - 1
  }
}

function product(values: Float64Array, seed: number): number {
  const numbers = vector(seed)
  return values.reduce((sum, value) => sum + value * numbers.next().value, 0)
}

const folders = goldenNames().filter((name) => !name.startsWith('gguf-'))

describe.each(folders)('the gradients of %s', (name) => {
  it('agree with those of PyTorch, for every tensor that the model reads', () => {
    const { checkpoint: path } = readGolden(name)
    const recorded = JSON.parse(readFileSync(join(path, 'gradients.json'), 'utf8')) as RecordedGradients
    const checkpoint = openCheckpoint(path)
    const model = readModel(checkpoint, recorded.ids[0]!.length)
    const { loss, tensors } = interpretGradients(checkpoint, model, recorded.ids)
    checkpoint.close()
    expect(Math.abs(loss / recorded.loss - 1)).toBeLessThan(bound)
    expect([...tensors.keys()].toSorted()).toEqual(Object.keys(recorded.tensors).toSorted())
    const largest = Math.max(...Object.values(recorded.tensors).map(([norm = 0]) => norm))
    for (const [tensor, { shape, data }] of tensors) {
      expect(shape, tensor).toEqual(checkpoint.tensors.get(tensor)!.shape)
      const [norm = 0, ...products] = recorded.tensors[tensor]!
      const found = Math.sqrt(data.reduce((sum, value) => sum + value * value, 0))
      if (norm < nothing * largest) {
        expect(found, tensor).toBeLessThan(nothing * largest)
        continue
      }
      expect(Math.abs(found - norm) / norm, `norm of ${tensor}`).toBeLessThan(bound)
      products.forEach((expected, i) => {
        expect(Math.abs(product(data, i + 1) - expected) / norm, `${tensor} · vector ${i + 1}`).toBeLessThan(bound)
      })
    }
  })
})

describe('every folder that has logits', () => {
  it('has gradients', () => {
    expect(folders.filter((name) => !existsSync(join(readGolden(name).checkpoint, 'gradients.json')))).toEqual([])
  })
})
