import { describe, expect, it } from 'vitest'
import { TrainingDisplay } from './trainingDisplay.ts'
import { duration, trainingLine } from './trainingLine.ts'

const plain = { step: 7, steps: 1000, loss: 3.14156, learningRate: 3e-4 }
const full = { validationLoss: 3.2, gradientNorm: 0.98765, tokensPerSecond: 12_345, ofPeak: 0.614, secondsLeft: 252 }

describe('trainingLine', () => {
  it('says what is known, and no more', () => {
    expect(trainingLine(plain)).toBe('step    7/1000  loss 3.1416  lr 3.00e-4')
    expect(trainingLine({ ...plain, ...full })).toBe(
      'step    7/1000  loss 3.1416  validation 3.2000  lr 3.00e-4  norm 0.988  12.3k tokens/s  61 % of peak  4m 12s left',
    )
  })

  it.each([
    [0, '0s'],
    [59.4, '59s'],
    [59.6, '1m 00s'],
    [3599, '59m 59s'],
    [3600, '1h 00m'],
    [100_000, '1d 03h'],
  ])('writes %f seconds as %s', (seconds, text) => {
    expect(duration(seconds)).toBe(text)
  })

  it.each([
    [0.5, '0.50'],
    [99.96, '100'],
    [999.4, '999'],
    [999.6, '1.00k'],
    [123_456, '123k'],
    [2_500_000, '2.50M'],
  ])('writes %f tokens per second as %s', (tokensPerSecond, text) => {
    expect(trainingLine({ ...plain, tokensPerSecond })).toContain(`  ${text} tokens/s`)
  })
})

describe('TrainingDisplay', () => {
  const shown = (screen: { isTTY?: boolean; columns?: number }, use: (display: TrainingDisplay) => void, every = 1) => {
    let text = ''
    const write = (more: string) => {
      text += more
    }
    use(new TrainingDisplay({ ...screen, write }, every))
    return text
  }

  it('writes over one line of a terminal, no wider than that, and puts notes above it', () => {
    const text = shown({ isTTY: true, columns: 20 }, (display) => {
      display.show(plain)
      display.note('saved')
      display.end()
    })
    const line = 'step    7/1000  los'
    expect(text).toBe(`\r\u001b[K${line}\r\u001b[Ksaved\n${line}\n`)
  })

  it('writes a line for every so many steps, and the last, where there is no terminal', () => {
    const steps = [1, 2, 3, 4, 5]
    const text = shown(
      {},
      (display) => {
        for (const step of steps) display.show({ ...plain, step, steps: 5 })
        display.note('done')
        display.end()
      },
      2,
    )
    expect(text.split('\n').map((line) => line.slice(0, 8))).toEqual(['step 2/5', 'step 4/5', 'step 5/5', 'done', ''])
  })
})
