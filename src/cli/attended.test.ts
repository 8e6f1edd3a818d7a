import { describe, expect, it } from 'vitest'
import { attendedInStep, attendedMean } from './attended.ts'

describe.each([0, 1, 5, 16, 40])('with a window of %i', (window) => {
  it.each([
    [0, 1],
    [0, 7],
    [3, 20],
    [30, 12],
  ])('counts what the tokens from %i on attend to, %i of them', (from, tokens) => {
    const first = (position: number) => (window === 0 ? 0 : Math.max(0, position - window + 1))
    const positions = Array.from({ length: tokens }, (_, i) => from + i)
    const attended = positions.reduce((sum, position) => sum + position + 1 - first(position), 0)
    expect(attendedMean({ from, tokens }, window)).toBeCloseTo(attended / tokens, 12)
    expect(attendedInStep({ from, tokens }, window)).toBe(from + tokens - first(from))
  })
})
