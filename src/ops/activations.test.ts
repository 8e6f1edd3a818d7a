import { expect, it } from 'vitest'
import { activationCodes } from '../kernels/activations.ts'
import { activationOf } from './activations.ts'
import { erfc } from './erfc.ts'

// Digits from 40-digit arithmetic.
it.each([
  [-3, 1.9999779095030015],
  [-0.5, 1.5204998778130465],
  [0, 1],
  [0.5, 0.4795001221869535],
  [1, 0.15729920705028513],
  [2.5, 0.0004069520174449589],
  [3, 2.209049699858544e-5],
  [6, 2.1519736712498913e-17],
])('erfc(%d) is %d', (x, expected) => {
  expect(Math.abs(erfc(x) - expected)).toBeLessThanOrEqual(1e-15 + 2e-13 * (x > 2.5 ? expected : 0))
})

it('numbers the activations in the order of the table, as activate.h does', () => {
  expect(Object.keys(activationOf)).toEqual(Object.keys(activationCodes))
  expect(Object.values(activationCodes)).toEqual(Object.keys(activationCodes).map((_, i) => i))
})
