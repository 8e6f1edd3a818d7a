import { describe, expect, it } from 'vitest'
import { piecesOf, scoreText } from '../../src/parity/scoreText.ts'
import { estimate, logSumExp } from '../../src/parity/tokenScore.ts'
import { root } from '../cli/ck.ts'
import { build } from './golden.ts'

const text = 'First Citizen:\nBefore we proceed any further, hear me speak.\n\nAll:\nSpeak, speak.\n'

describe('the pieces of a text', () => {
  it('are windows, cut where they have too many rows', () => {
    const pieces = [...piecesOf(11, 5, 3)].map(({ begin, end, isFirst }) => [begin, end, isFirst])
    expect(pieces).toEqual([
      [0, 3, true],
      [3, 5, false],
      [5, 8, true],
      [8, 10, false],
      [10, 11, true],
    ])
    expect([...piecesOf(0, 5, 3)]).toEqual([])
  })
})

describe('the scores of a text', () => {
  it('are those of the logits of each window, whatever the size of the pieces', async () => {
    const model = await build(`${root}models/demo.gguf`)
    const ids = model.tokenize(text)
    const { vocabulary } = model.info
    const expected: number[] = []
    const session = model.session({ threads: 1 })
    for (let begin = 0; begin < ids.length - 1; begin += 10) {
      const window = ids.slice(begin, begin + 10)
      const logits = await session.logits(window)
      window.forEach((_, i) => {
        const next = ids[begin + i + 1]
        const row = logits.subarray(i * vocabulary, (i + 1) * vocabulary)
        if (next !== undefined) expected.push(logSumExp(row) - row[next]!)
      })
    }
    const whole = await scoreText(model, ids, { window: 10, threads: 2 })
    expect([...whole.nats]).toEqual(expected)
    expect(whole.windows).toBe(Math.ceil((ids.length - 1) / 10))
    expect(whole.fromBase).toBeUndefined()
    const done: number[] = []
    const pieces = await scoreText(model, ids, { window: 10, rows: 3, base: model, onProgress: (d) => done.push(d) })
    expect(pieces.nats).toEqual(whole.nats)
    expect(done).toEqual(done.toSorted((a, b) => a - b))
    expect(done.at(-1)).toBe(1)
    expect(estimate(pieces.fromBase!.divergence)).toEqual({ mean: 0, standardError: 0 })
    expect(estimate(pieces.fromBase!.agreement)).toEqual({ mean: 1, standardError: 0 })
  })

  it('with a token at the begin of every window hold the first token of the text too', async () => {
    const model = await build(`${root}models/demo.gguf`)
    const ids = model.tokenize(text)
    const { bos, vocabulary } = model.info
    const { nats } = await scoreText(model, ids, { window: 10, bos })
    expect(nats.length).toBe(ids.length)
    const afterBos = await model.session().logits([bos])
    expect(afterBos.length).toBe(vocabulary)
    expect([nats[0], nats[10]]).toEqual([ids[0]!, ids[10]!].map((id) => logSumExp(afterBos) - afterBos[id]!))
  })
})
