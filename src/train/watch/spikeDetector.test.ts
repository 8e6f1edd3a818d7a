import { describe, expect, it } from 'vitest'
import { SpikeDetector } from './spikeDetector.ts'

const options = { factor: 1.5, window: 4 }

describe('SpikeDetector', () => {
  it('finds a loss that is high beside the median of the last ones', () => {
    const detector = new SpikeDetector(options)
    expect([9, 8, 3, 3, 3].map((loss) => detector.observe(loss))).toEqual(Array(5).fill(undefined))
    expect(detector.observe(4.4)).toBeUndefined()
    expect(detector.observe(4.6)).toEqual({ loss: 4.6, median: 3 })
    expect(detector.state.losses).toEqual([3, 3, 3, 4.4])
  })

  it('judges nothing before half of its window is there', () => {
    const detector = new SpikeDetector(options)
    expect(detector.observe(1)).toBeUndefined()
    expect(detector.observe(100)).toBeUndefined()
    expect(detector.observe(100)).toEqual({ loss: 100, median: 50.5 })
  })

  it('goes on from its state as if it had never stopped', () => {
    const losses = Array.from({ length: 40 }, (_, i) => 3 + Math.sin(i) + (i % 9 === 8 ? 5 : 0))
    const whole = new SpikeDetector(options)
    const found = losses.map((loss) => whole.observe(loss))
    const first = new SpikeDetector(options)
    const begun = losses.slice(0, 17).map((loss) => first.observe(loss))
    const second = new SpikeDetector(options, JSON.parse(JSON.stringify(first.state)))
    expect([...begun, ...losses.slice(17).map((loss) => second.observe(loss))]).toEqual(found)
    expect(found.filter(Boolean).length).toBeGreaterThan(2)
  })

  it('lets what is no number pass and forgets it', () => {
    const detector = new SpikeDetector(options, { losses: [1, 1, 1, 1] })
    expect(detector.observe(Number.NaN)).toBeUndefined()
    expect(detector.state.losses).toEqual([1, 1, 1, 1])
    expect(detector.observe(Number.POSITIVE_INFINITY)).toMatchObject({ median: 1 })
  })
})
