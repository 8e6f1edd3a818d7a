import { describe, expect, it } from 'vitest'
import { estimate, klDivergence, logSumExp, quantile, topToken } from './tokenScore.ts'

const row = (...values: number[]) => Float32Array.from(values)
const divergence = (base: Float32Array, model: Float32Array) =>
  klDivergence(base, logSumExp(base), model, logSumExp(model))

describe('the log sum of exponentials', () => {
  it('is ln n for n equal logits, and moves with a constant', () => {
    expect(logSumExp(row(0, 0, 0, 0))).toBeCloseTo(Math.log(4), 15)
    expect(logSumExp(row(7, 7, 7, 7))).toBeCloseTo(7 + Math.log(4), 14)
  })

  it('neither overflows nor vanishes', () => {
    expect(logSumExp(row(3e38, 0))).toBe(Math.fround(3e38))
    expect(logSumExp(row(-1000, -1000))).toBeCloseTo(-1000 + Math.LN2, 12)
  })

  it('is not finite where a logit is not a number or infinite', () => {
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) expect(logSumExp(row(0, bad, 1))).toBeNaN()
    expect(logSumExp(row(Number.NEGATIVE_INFINITY))).toBeNaN()
  })
})

describe('the KL divergence', () => {
  it('is the sum of p ln(p/q)', () => {
    // p = (3/4, 1/4), q = (1/2, 1/2)
    const expected = 0.75 * Math.log(1.5) + 0.25 * Math.log(0.5)
    expect(divergence(row(Math.log(3), 0), row(5, 5))).toBeCloseTo(expected, 7)
  })

  it('is 0 for logits that differ by a constant, and never below', () => {
    expect(divergence(row(1, -2, 0.5), row(1, -2, 0.5))).toBe(0)
    expect(divergence(row(1, -2, 0.5), row(9, 6, 8.5))).toBeLessThan(1e-15)
    expect(divergence(row(1, -2, 0.5), row(9, 6, 8.5))).toBeGreaterThanOrEqual(0)
  })

  it('gives nothing to tokens that the base holds impossible', () => {
    const base = row(0, 0, Number.NEGATIVE_INFINITY)
    expect(divergence(base, row(0, 0, -1e30))).toBeCloseTo(0, 15)
  })

  it('is not finite where either side is not', () => {
    expect(divergence(row(0, Number.NaN), row(0, 0))).toBeNaN()
    expect(divergence(row(0, 0), row(0, Number.NaN))).toBeNaN()
  })
})

it('the top token is the first of equal ones', () => {
  expect(topToken(row(-3, 2, 1, 2))).toBe(1)
  expect(topToken(row(-3))).toBe(0)
})

it('the standard error is the sample deviation over the root of the count', () => {
  const { mean, standardError } = estimate(Float64Array.of(1, 2, 3, 4))
  expect(mean).toBe(2.5)
  expect(standardError).toBeCloseTo(Math.sqrt(5 / 3 / 4), 15)
})

it('a quantile is a value that is there, and leaves the values in place', () => {
  const values = Float64Array.from({ length: 200 }, (_, i) => 200 - i)
  expect(quantile(values, 0.5)).toBe(100)
  expect(quantile(values, 0.99)).toBe(198)
  expect([quantile(values, 0), quantile(values, 1)]).toEqual([1, 200])
  expect(values[0]).toBe(200)
})
