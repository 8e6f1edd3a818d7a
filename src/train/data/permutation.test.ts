import { describe, expect, it } from 'vitest'
import { permutation } from './permutation.ts'

describe('a permutation', () => {
  it.each([1, 2, 3, 4, 5, 16, 17, 63, 64, 65, 1000, 4099])('has each of %i numbers once', (count) => {
    for (const epoch of [0, 1, 7]) {
      const shuffle = permutation(count, 42, epoch)
      const found = new Set(Array.from({ length: count }, (_, i) => shuffle(i)))
      expect(found.size).toBe(count)
      expect(Math.min(...found)).toBe(0)
      expect(Math.max(...found)).toBe(count - 1)
    }
  })

  it('of trillions stays in its range and repeats nothing', () => {
    const count = 3 * 10 ** 12 + 7
    const shuffle = permutation(count, 2 ** 53 - 1, 3)
    const found = Array.from({ length: 2000 }, (_, i) => shuffle(i))
    expect(new Set(found).size).toBe(2000)
    expect(found.every((at) => Number.isInteger(at) && at >= 0 && at < count)).toBe(true)
    // The mean of so many is within 5 deviations of the middle.
    const mean = found.reduce((sum, at) => sum + at / 2000, 0)
    expect(Math.abs(mean / count - 0.5)).toBeLessThan((5 * 0.289) / Math.sqrt(2000))
  })

  it('depends on seed and epoch and on nothing else', () => {
    const list = (seed: number, epoch: number) => {
      const shuffle = permutation(100, seed, epoch)
      return Array.from({ length: 100 }, (_, i) => shuffle(i))
    }
    expect(list(1, 2)).toEqual(list(1, 2))
    const all = [list(1, 2), list(2, 1), list(1, 3), list(2, 2), list(1 + 2 ** 32, 2)]
    expect(new Set(all.map((one) => one.join())).size).toBe(all.length)
    const fixed = list(1, 2).filter((at, i) => at === i).length
    expect(fixed).toBeLessThan(10)
  })

  it('brings each number to each place about as often', () => {
    const [count, epochs] = [8, 4000]
    const hits = new Map<number, number>()
    for (let epoch = 0; epoch < epochs; epoch++) {
      const first = permutation(count, 5, epoch)(0)
      hits.set(first, (hits.get(first) ?? 0) + 1)
    }
    const squares = Array.from({ length: count }, (_, i) => ((hits.get(i) ?? 0) - epochs / count) ** 2)
    // Chi squared of 7 degrees of freedom; 24.3 is passed once in a thousand times.
    expect(squares.reduce((sum, square) => sum + square, 0) / (epochs / count)).toBeLessThan(24.3)
  })
})
