import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { CkError } from '../../src/base/errors.ts'
import { load, type Model, type Piece } from '../../src/run/session.ts'
import { context, scratchFolder, vocabulary, writeWeights } from '../engine/fixture.ts'

const folder = scratchFolder()
const models: Model[] = []
let model: Model
let slow: Model

async function opened(name: string, defines: readonly string[] = []): Promise<Model> {
  const dir = join(folder.path, name)
  mkdirSync(dir)
  folder.build(join(dir, 'libmodel.so'), { defines })
  writeWeights(join(dir, 'weights.bump'), { pieces: ['a', 'b'] })
  writeFileSync(join(dir, 'manifest.json'), '{}')
  models.push(await load(dir))
  return models.at(-1)!
}

beforeAll(async () => {
  model = await opened('plain')
  slow = await opened('slow', ['FIXTURE_DELAY_MS=5'])
})
afterAll(async () => {
  await Promise.all(models.map((one) => one.close()))
  folder.remove()
})

/** Ids that differ for each `seed`. */
const ids = (count: number, seed: number) =>
  Array.from({ length: count }, (_, i) => (i * 37 + 11 + 53 * seed) % vocabulary)

const alone = async (list: readonly number[], rows = list.length) =>
  model.session({ threads: 1 }).logits(list, { rows })

async function refusalOf(work: () => unknown): Promise<Pick<CkError, 'code' | 'message'>> {
  try {
    await work()
  } catch (error) {
    const { code, message } = error as CkError
    return { code, message }
  }
  throw new Error('nothing was refused')
}

async function collect(pieces: AsyncIterable<Piece>): Promise<number[]> {
  const all: number[] = []
  for await (const { id } of pieces) all.push(id)
  return all
}

const lengths = [20, 33, 7]

describe('sequences of a session', () => {
  it('give the bits that each gives alone, in blocks and one at a time, for any number of threads', async () => {
    const expected = await Promise.all(lengths.map((count, seed) => alone(ids(count, seed))))
    for (const threads of [1, 2, 3]) {
      for (const mode of ['prefill', 'decode'] as const) {
        const session = model.session({ threads })
        const parts = lengths.map((count, i) => ({ sequence: session.sequence(i), ids: ids(count, i), rows: count }))
        expect(await session.appendTogether(parts, { mode })).toEqual(expected)
        expect(parts.map(({ sequence }) => sequence.position)).toEqual(lengths)
        await session.close()
      }
    }
  })

  it('give them too where their calls take turns', async () => {
    const session = model.session({ threads: 2 })
    const all = lengths.map((count, i) => ({ sequence: session.sequence(i), list: ids(count, i) }))
    const rows = await Promise.all(
      all.map(async ({ sequence, list }) => {
        for (const id of list.slice(0, -1)) await sequence.append([id])
        return sequence.append(list.slice(-1), { rows: 1 })
      }),
    )
    expect(rows).toEqual(await Promise.all(all.map(({ list }) => alone(list, 1))))
  })

  it('generate side by side what each generates alone', async () => {
    const options = { tokens: 12, seed: 5, ignoreEos: true }
    const expected = await Promise.all(
      [0, 1, 2].map((seed) => collect(model.session().generate(ids(9, seed), options))),
    )
    const session = model.session()
    const found = await Promise.all([0, 1, 2].map((i) => collect(session.sequence(i).generate(ids(9, i), options))))
    expect(found).toEqual(expected)
  })

  it('rewind and reset apart', async () => {
    const session = model.session()
    const [first, second] = [session.sequence(0), session.sequence(1)]
    await session.appendTogether([
      { sequence: first, ids: ids(10, 0) },
      { sequence: second, ids: ids(12, 1) },
    ])
    first.rewind(4)
    expect([first.position, second.position]).toEqual([4, 12])
    second.reset()
    expect([first.position, second.position]).toEqual([4, 0])
    expect(await first.append(ids(10, 0).slice(4), { rows: 1 })).toEqual(await alone(ids(10, 0), 1))
  })

  it('share a prefix by copying it', async () => {
    for (const tokens of [1, 3, 4, 17, 20]) {
      const session = model.session({ threads: 3 })
      const [from, to] = [session.sequence(1), session.sequence(2)]
      await from.append(ids(20, 0))
      await to.append(ids(30, 1))
      to.copyFrom(from, tokens)
      expect([from.position, to.position]).toEqual([20, tokens])
      const rest = ids(15, 2)
      const expected = await alone([...ids(20, 0).slice(0, tokens), ...rest], rest.length)
      expect(await to.append(rest, { rows: rest.length })).toEqual(expected)
      expect(await from.append([5], { rows: 1 })).toEqual(await alone([...ids(20, 0), 5], 1))
      await session.close()
    }
  })

  it('go back to what they share with other ids', async () => {
    const session = model.session()
    await session.append(ids(20, 0))
    expect(session.match([...ids(12, 0), 299, 1])).toBe(12)
    expect(session.position).toBe(12)
    expect(session.match(ids(5, 0))).toBe(5)
    expect(session.match(ids(9, 1))).toBe(0)
    expect(session.position).toBe(0)
  })

  it('are refused where there are none, where they are of another session, and while they are busy', async () => {
    const session = slow.session()
    expect(await refusalOf(() => session.sequence(3))).toEqual({
      code: 'sequence_missing',
      message: 'sequence 3: accepted: 0 to 2 (build with more --sequences)',
    })
    const stranger = slow.session().sequence(1)
    expect((await refusalOf(() => session.copyFrom(stranger))).message).toContain('of another session')
    expect((await refusalOf(() => session.appendTogether([{ sequence: stranger, ids: [1] }]))).code).toBe(
      'option_invalid',
    )
    const twice = [0, 0].map(() => ({ sequence: session, ids: [1] }))
    expect((await refusalOf(() => session.appendTogether(twice))).code).toBe('session_busy')
    expect(session.sequence(0)).toBe(session)
    const running = session.sequence(1).append(ids(20, 0))
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect((await refusalOf(() => session.rewind(0))).code).toBe('session_busy')
    expect((await refusalOf(() => session.peek(0, 4))).code).toBe('session_busy')
    await running
    expect((await refusalOf(() => session.appendTogether([{ sequence: session, ids: ids(65, 0) }]))).code).toBe(
      'context_exceeded',
    )
    expect(session.position).toBe(0)
  })

  it('end a generation that still waits for another call when its consumer leaves', async () => {
    const session = slow.session({ threads: 1 })
    const first = session.append(ids(20, 0), { rows: 1 })
    const pieces = session.sequence(1).generate(ids(9, 1))
    const pending = pieces.next()
    await pieces.return?.()
    expect(await pending).toEqual({ value: undefined, done: true })
    expect(session.sequence(1).position).toBe(0)
    expect(await first).toEqual(await alone(ids(20, 0), 1))
    expect((await session.sequence(1).append([1], { rows: 1 })).length).toBe(vocabulary)
  })

  it('wait for each other, and an abort ends only its own call', async () => {
    const session = slow.session({ threads: 1 })
    const controller = new AbortController()
    const first = session.append(ids(20, 0), { rows: 1 })
    const second = refusalOf(() => session.sequence(1).append(ids(20, 1), { signal: controller.signal }))
    setTimeout(() => controller.abort(), 20)
    expect(await first).toEqual(await alone(ids(20, 0), 1))
    expect((await second).code).toBe('aborted')
    expect(session.sequence(1).position).toBe(0)
  })
})

describe('a full context', () => {
  const greedy = { temperature: 0, ignoreEos: true }
  const shift = { ...greedy, overflow: 'shift' } as const

  it('goes on exactly as after a prompt of the kept prefix and the newer half', async () => {
    const keep = 5
    const session = model.session({ threads: 2 })
    const prompt = ids(60, 0)
    const made = await collect(session.generate(prompt, { ...shift, keep, tokens: 40 }))
    let held = [...prompt]
    const expected: number[] = []
    for (let i = 0; i < 40; i++) {
      const row = await alone(held, 1)
      const next = row.indexOf(Math.max(...row))
      expected.push(next)
      held.push(next)
      if (held.length > context) {
        const dropped = Math.ceil((held.length - keep) / 2)
        held = [...held.slice(0, keep), ...held.slice(keep + dropped)]
      }
    }
    expect(made).toEqual(expected)
  })

  it('takes a prompt that is longer than it', async () => {
    const prompt = ids(200, 3)
    const kept = prompt.slice(0, 10)
    // Of 190 behind the kept ones 95, then 47 are left: 57 tokens, which fit.
    const expected = await collect(model.session().generate([...kept, ...prompt.slice(-47)], { ...greedy, tokens: 3 }))
    const session = model.session()
    await session.append(prompt.slice(0, 30))
    expect(await collect(session.generate(prompt.slice(30), { ...shift, keep: 10, tokens: 3 }))).toEqual(expected)
    expect(session.position).toBe(59)
  })

  it('ends the text where it does not shift, and refuses a kept prefix without end', async () => {
    const session = model.session()
    const pieces: Piece[] = []
    for await (const piece of session.generate(ids(60, 0), greedy)) pieces.push(piece)
    expect(pieces.at(-1)?.finish).toBe('context')
    expect((await refusalOf(() => collect(session.generate([1], { ...shift, keep: context })))).message).toContain(
      'keep is 64; accepted: 0 to 63, less than the context',
    )
  })
})
