import { expect, it } from 'vitest'
import { codebook } from './codebook.ts'
import { ScaleFit, scaleError } from './fitScale.ts'
import { stretchOf } from './stretch.ts'
import { iq4Values } from './tableBlocks.ts'

const x = Float64Array.from({ length: 32 }, (_, i) => Math.sin(i * i + 1))
const w = Float64Array.from({ length: 32 }, (_, i) => 1 + (i % 5))
const sum = (term: (i: number) => number) => x.reduce((total, _, i) => total + term(i), 0)

it('a codebook gives the nearest level of every number', () => {
  const book = codebook(iq4Values)
  for (let v = -140; v <= 130; v += 0.3) {
    const at = Math.max(0, Math.min(book.nearest.length - 1, Math.floor(2 * (v - book.lowest))))
    const least = Math.min(...iq4Values.map((level) => Math.abs(level - v)))
    expect(Math.abs(book.nearest[at]! - v)).toBeCloseTo(least, 10)
    expect(iq4Values[book.codes[at]!]).toBe(book.nearest[at])
  }
})

it('a searched scale leaves no more error than that of the extreme value', () => {
  const book = codebook(iq4Values)
  const [searched, plain] = [{ from: 0.7, to: 1.3, steps: 12 }, undefined].map((reach) =>
    scaleError(book, x, w, 0, 32, new ScaleFit(book, reach).fit(x, w, 0, 32)),
  )
  expect(searched).toBeLessThan(plain!)
})

it('stretched, the decoded values have the products with the values that these have with themselves', () => {
  const book = codebook([-1, 0, 1])
  const scale = new ScaleFit(book, { from: 0.5, to: 2, steps: 16 }).fit(x, w, 0, 32)
  const level = (i: number) => Math.max(-1, Math.min(1, Math.round(x[i]! / scale)))
  const stretch = stretchOf(x, w, scaleError(book, x, w, 0, 32, scale))
  expect(stretch).toBeGreaterThan(1.02)
  // Within what the last refit of the scale left.
  expect(sum((i) => w[i]! * x[i]! * stretch * scale * level(i)) / sum((i) => w[i]! * x[i]! ** 2)).toBeCloseTo(1, 2)
  expect(stretchOf(new Float64Array(32), w, 0)).toBe(1)
})
