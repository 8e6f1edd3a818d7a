import { describe, expect, it } from 'vitest'
import type { WeightDtype } from '../base/dtypes.ts'
import { type EncodeTask, encodeRows } from './encodeRows.ts'
import { fillRandom, randomState } from './randomValues.ts'

const encode = (task: EncodeTask) => encodeRows(task, new Map())

/** Rows of 32 f32 values. */
function task(dtype: WeightDtype, ...rows: readonly number[][]): EncodeTask {
  const bytes = new Uint8Array(Float32Array.from(rows.flat()).buffer)
  return { source: { from: 'bytes', dtype: 'f32', bytes }, rows: rows.length, cols: 32, dtype, isSearch: true }
}

const row = (value: number, last = value) => [...new Array<number>(31).fill(value), last]

describe('encoding rows', () => {
  it.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])('names the row of a %s', (bad) => {
    expect(encode(task('q8_0', row(1), row(1, bad)))).toEqual({
      ...{ row: 1, found: `the value ${bad}`, accepted: 'finite values' },
    })
  })

  it.each(['f16', 'q4_0', 'q4_1', 'q8_0', 'iq4_nl'] as const)('names the row whose values %s cannot hold', (dtype) => {
    const result = encode(task(dtype, row(1), row(2), row(1, 1e9)))
    expect(result).toEqual({ row: 2, found: `values beyond what ${dtype} holds`, accepted: 'smaller values, or f32' })
  })

  it('names the row of a stored scale that is no number', () => {
    const bytes = new Uint8Array(3 * 34).fill(0x7f, 34, 36)
    const source = { from: 'bytes', dtype: 'q8_0', bytes } as const
    const result = encode({ source, rows: 3, cols: 32, dtype: 'q4_0', isSearch: true })
    expect(result).toMatchObject({ row: 1, found: 'a scale that is infinite or not a number' })
  })

  it('leaves bytes as they are where the format stays', () => {
    const bytes = Uint8Array.from({ length: 34 }, (_, i) => i)
    const source = { from: 'bytes', dtype: 'q8_0', bytes } as const
    expect(encode({ source, rows: 1, cols: 32, dtype: 'q8_0', isSearch: true })).toEqual({ bytes })
  })
})

it('random values are nearly normal, and others for every tensor and piece', () => {
  const values = new Float32Array(2 ** 16)
  fillRandom(randomState(1n, 0), 0.5)(0, values)
  const moment = (power: number) => values.reduce((sum, value) => sum + (value / 0.5) ** power, 0) / values.length
  expect(moment(1)).toBeCloseTo(0, 1)
  expect(moment(2)).toBeCloseTo(1, 1)
  // 3 for a normal distribution; the sum of four uniform numbers has 3 - 1.2 / 4.
  expect(moment(4)).toBeCloseTo(2.7, 1)
  const states = [randomState(1n, 0), randomState(1n, 1), randomState(1n, 0, 1), randomState(2n, 0)]
  expect(new Set(states).size).toBe(4)
})
