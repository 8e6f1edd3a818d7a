import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { CkError } from '../../src/base/errors.ts'
import { load, type Model, type Piece } from '../../src/run/session.ts'
import {
  bos,
  context,
  eos,
  firstPiece,
  scratchFolder,
  vocabulary,
  type WeightsOptions,
  writeWeights,
} from '../engine/fixture.ts'

const folder = scratchFolder()
const models: Model[] = []
let plain: Model
let slow: Model

function runFolder(name: string, library: string, weights: WeightsOptions): string {
  const dir = join(folder.path, name)
  mkdirSync(dir)
  folder.build(join(dir, 'libmodel.so'), library ? { defines: [library] } : {})
  writeWeights(join(dir, 'weights.bump'), weights)
  writeFileSync(join(dir, 'manifest.json'), '{}')
  return dir
}

async function opened(dir: string): Promise<Model> {
  const model = await load(dir)
  models.push(model)
  return model
}

beforeAll(async () => {
  plain = await opened(runFolder('plain', '', { pieces: [' Hello', ' world'] }))
  slow = await opened(runFolder('slow', 'FIXTURE_DELAY_MS=10', { pieces: [' Hello', ' world'] }))
})
afterAll(async () => {
  await Promise.all(models.map((model) => model.close()))
  folder.remove()
})

const ids = (count: number) => Array.from({ length: count }, (_, i) => (i * 37 + 11) % vocabulary)

async function collect(pieces: AsyncIterable<Piece>): Promise<Piece[]> {
  const all: Piece[] = []
  for await (const piece of pieces) all.push(piece)
  return all
}

async function refusalOf(work: () => unknown): Promise<Pick<CkError, 'code' | 'message'>> {
  try {
    await work()
  } catch (error) {
    const { code, message } = error as CkError
    return { code, message }
  }
  throw new Error('nothing was refused')
}

describe('load', () => {
  it('tells what the model is', () => {
    expect(plain.info).toEqual({
      name: 'fixture',
      target: 'test',
      vocabulary,
      context,
      sequences: 3,
      prefillTokens: 8,
      outputRows: 3,
      weightsBytes: 19456,
      contextBytes: 20604,
      hasTokenizer: true,
      bos,
      eos,
      embedding: 0,
    })
  })

  it('refuses a folder without the files of a run folder', async () => {
    const refusal = await refusalOf(() => load(folder.path))
    expect(refusal.code).toBe('run_folder_invalid')
    expect(refusal.message).toContain('manifest.json is missing')
  })

  it('refuses a library of another ABI', async () => {
    const dir = runFolder('abi', 'FIXTURE_ABI=7', {})
    const refusal = await refusalOf(() => load(dir))
    expect(refusal.code).toBe('run_folder_invalid')
    expect(refusal.message).toContain('engine ABI is 7')
  })

  it('refuses a build for another CPU and names what is missing', async () => {
    const dir = runFolder('cpu', 'FIXTURE_FEATURE="avx9000"', {})
    const refusal = await refusalOf(() => load(dir))
    expect(refusal).toEqual({
      code: 'target_unsupported',
      message: `${dir}: was built for test, and this CPU lacks avx9000; build it here with --target native`,
    })
  })

  it('refuses files that are no library and no weights', async () => {
    const dir = join(folder.path, 'text')
    mkdirSync(dir)
    for (const name of ['manifest.json', 'libmodel.so', 'weights.bump']) writeFileSync(join(dir, name), 'text')
    expect((await refusalOf(() => load(dir))).code).toBe('run_folder_invalid')
    folder.build(join(dir, 'libmodel.so'))
    const refusal = await refusalOf(() => load(dir))
    expect(refusal.code).toBe('run_folder_invalid')
    expect(refusal.message).toContain('a weights.bump file has at least 128')
  })
})

describe('a model', () => {
  it('turns text into ids and back', () => {
    expect([...plain.tokenize('añ')]).toEqual([97, 195, 177])
    expect([...plain.tokenize('a<eos>', { addSpecial: true, special: true })]).toEqual([bos, 97, eos])
    expect(plain.detokenize([97, 195, 177, firstPiece, eos])).toBe('añ Hello')
    expect(plain.detokenize([97, eos], { special: true })).toBe('a<eos>')
    expect(plain.detokenize(plain.tokenize('x'.repeat(5000)))).toBe('x'.repeat(5000))
  })

  it('refuses ids outside its vocabulary and text without a tokenizer', async () => {
    expect((await refusalOf(() => plain.detokenize([vocabulary]))).code).toBe('token_out_of_range')
    const mute = await opened(runFolder('mute', '', { pieces: null, script: [7, 8, 9] }))
    expect((await refusalOf(() => mute.tokenize('a'))).code).toBe('tokenizer_missing')
    const pieces = await collect(mute.session().generate([1], { tokens: 3, temperature: 0 }))
    expect(pieces).toEqual([
      { id: 7, text: '' },
      { id: 8, text: '' },
      { id: 9, text: '', finish: 'length' },
    ])
  })

  it('verifies its weights', async () => {
    await expect(plain.verify()).resolves.toBeUndefined()
  })

  it('refuses damaged weights when asked to verify', async () => {
    const dir = runFolder('damaged', '', {})
    const path = join(dir, 'weights.bump')
    const bytes = readFileSync(path)
    bytes[5000]! ^= 1
    writeFileSync(path, bytes)
    const model = await opened(dir)
    const refusal = await refusalOf(() => model.verify())
    expect(refusal.code).toBe('run_folder_invalid')
    expect(refusal.message).toContain('the checksum of the weights')
  })

  it('closes once, sessions first, and refuses calls afterwards', async () => {
    const model = await load(join(folder.path, 'slow'))
    const session = model.session()
    const running = refusalOf(() => session.logits(ids(60)))
    await Promise.all([model.close(), model.close()])
    expect((await running).code).toBe('already_closed')
    expect((await refusalOf(() => model.tokenize('a'))).code).toBe('already_closed')
    expect((await refusalOf(() => session.logits([1]))).code).toBe('already_closed')
    await session.close()
  })
})

describe('logits', () => {
  it('are the same for every mode and number of threads, and rows are the last ones', async () => {
    const first = await plain.session({ threads: 1 }).logits(ids(40))
    expect(first.length).toBe(40 * vocabulary)
    for (const threads of [1, 2, 3, 8]) {
      for (const mode of ['prefill', 'decode'] as const) {
        const session = plain.session({ threads })
        expect(await session.logits(ids(40), { mode })).toEqual(first)
        expect(await session.logits(ids(40), { mode, rows: 5 })).toEqual(first.subarray(35 * vocabulary))
        expect(session.position).toBe(40)
        await session.close()
      }
    }
  })

  it('refuses ids, lengths and rows that do not fit', async () => {
    const session = plain.session()
    expect(await refusalOf(() => session.logits([1, 300]))).toEqual({
      code: 'token_out_of_range',
      message: 'token id 300 at position 1 is outside the vocabulary; accepted: whole numbers from 0 to 299',
    })
    expect((await refusalOf(() => session.logits([1.5]))).code).toBe('token_out_of_range')
    expect((await refusalOf(() => session.logits(ids(65)))).code).toBe('context_exceeded')
    expect((await refusalOf(() => session.logits([1], { rows: 2 }))).code).toBe('option_invalid')
    expect((await refusalOf(() => plain.session({ threads: 65 }))).code).toBe('option_invalid')
    expect(session.position).toBe(0)
  })

  it('leave the event loop free', async () => {
    let ticks = 0
    const timer = setInterval(() => ticks++, 5)
    await slow.session().logits(ids(40))
    clearInterval(timer)
    expect(ticks).toBeGreaterThan(20)
  })

  it('can be aborted, before and during the call', async () => {
    const session = slow.session()
    const during = new AbortController()
    setTimeout(() => during.abort(), 50)
    expect((await refusalOf(() => session.logits(ids(64), { signal: during.signal }))).code).toBe('aborted')
    expect(session.position).toBeLessThan(64)
    expect((await refusalOf(() => session.logits(ids(64), { signal: AbortSignal.abort() }))).code).toBe('aborted')
    expect((await session.logits([1])).length).toBe(vocabulary)
  })
})

describe('a session', () => {
  it('appends, rewinds and resets', async () => {
    const session = plain.session()
    const whole = await session.logits(ids(20), { rows: 1 })
    session.rewind(7)
    expect(session.position).toBe(7)
    expect(await session.append(ids(20).slice(7), { rows: 1 })).toEqual(whole)
    expect((await refusalOf(() => session.rewind(21))).code).toBe('option_invalid')
    session.reset()
    expect(session.position).toBe(0)
    expect((await session.append(ids(3))).length).toBe(0)
    expect(session.position).toBe(3)
  })

  it('writes logits into an array that is given, of their size', async () => {
    const session = plain.session()
    const whole = await session.logits(ids(20), { rows: 2 })
    const given = new Float32Array(3 * vocabulary).fill(7)
    const into = given.subarray(vocabulary)
    expect(await session.logits(ids(20), { rows: 2, into })).toBe(into)
    expect(into).toEqual(whole)
    expect(given.subarray(0, vocabulary).every((value) => value === 7)).toBe(true)
    const refusal = await refusalOf(() => session.append([1], { rows: 1, into }))
    expect(refusal.message).toContain(`an array of ${vocabulary}`)
    expect(session.position).toBe(20)
  })

  it('shows its memory within its bounds', async () => {
    const session = plain.session()
    await session.append([5])
    const lane0 = new DataView(session.peek(0, 4).buffer).getFloat32(0, true)
    expect(lane0).toBeCloseTo(((5 * 31) % 101) * 0.013, 5)
    expect(session.peek(plain.info.contextBytes, 0).length).toBe(0)
    expect((await refusalOf(() => session.peek(plain.info.contextBytes - 3, 4))).code).toBe('option_invalid')
  })

  it('refuses a second call while one runs, and names it', async () => {
    const session = slow.session()
    const running = session.logits(ids(10))
    const refusal = await refusalOf(() => session.append([1]))
    expect(refusal.code).toBe('session_busy')
    expect(refusal.message).toContain('still running logits')
    expect(session.position).toBe(0)
    await running
    expect(session.position).toBe(10)
  })

  it('runs beside other sessions of its model', async () => {
    const expected = await plain.session().logits(ids(30))
    const all = await Promise.all([1, 2, 3, 4, 5].map((threads) => plain.session({ threads }).logits(ids(30))))
    for (const logits of all) expect(logits).toEqual(expected)
  })
})

describe('generate', () => {
  it('gives the same text for the same seed, and other text for another', async () => {
    const text = async (seed: number) => {
      const pieces = await collect(plain.session().generate('ab', { seed, tokens: 20, temperature: 2, topK: 0 }))
      return pieces.map((piece) => piece.id).join()
    }
    expect(await text(1)).toBe(await text(1))
    expect(await text(1)).not.toBe(await text(2))
  })

  it('holds all but the last token, and tells why it ended', async () => {
    const session = plain.session()
    const pieces = await collect(session.generate('ab', { tokens: 5, ignoreEos: true }))
    expect(pieces.length).toBe(5)
    expect(pieces.at(-1)?.finish).toBe('length')
    // BOS, a, b and four of the five tokens.
    expect(session.position).toBe(7)
    const rest = await collect(session.generate([pieces.at(-1)!.id], { ignoreEos: true }))
    expect(rest.at(-1)?.finish).toBe('context')
    expect(session.position).toBe(context)
    expect((await refusalOf(() => collect(session.generate([1])))).code).toBe('context_exceeded')
  })

  it('ends when the consumer leaves, and the session goes on', async () => {
    const session = plain.session()
    for await (const piece of session.generate('ab', { seed: 3, ignoreEos: true })) {
      if (piece.id >= 0) break
    }
    session.reset()
    expect((await collect(session.generate('ab', { tokens: 2, ignoreEos: true }))).length).toBe(2)
  })

  it('ends at once when the consumer leaves during a piece', async () => {
    const session = slow.session()
    const pieces = session.generate(ids(60))
    const pending = pieces.next()
    await new Promise((resolve) => setTimeout(resolve, 20))
    await pieces.return?.()
    expect(session.position).toBeLessThan(60)
    expect(await pending).toEqual({ value: undefined, done: true })
    session.reset()
    expect((await session.logits([1])).length).toBe(vocabulary)
  })

  it('refuses other calls between its pieces, and ends where the session is closed', async () => {
    const session = plain.session()
    const pieces = session.generate('ab', { ignoreEos: true })
    await pieces.next()
    expect((await refusalOf(() => session.logits([1]))).message).toContain('still running generate')
    expect((await refusalOf(() => session.generate('a').next())).code).toBe('session_busy')
    expect(session.position).toBe(3)
    await session.close()
    expect((await refusalOf(() => pieces.next())).code).toBe('already_closed')
    expect(await pieces.next()).toEqual({ value: undefined, done: true })
  })

  it('leaves a generation alone where one before it is ended once more', async () => {
    const session = slow.session()
    const first = session.generate([1], { ignoreEos: true })
    await first.next()
    await first.return?.()
    const second = session.generate([1], { ignoreEos: true })
    const pending = second.next()
    await first.return?.()
    expect((await pending).done).toBe(false)
    await second.return?.()
  })

  it('is aborted by its signal', async () => {
    const session = slow.session()
    const controller = new AbortController()
    const seen: Piece[] = []
    const refusal = await refusalOf(async () => {
      for await (const piece of session.generate([1], { signal: controller.signal, ignoreEos: true })) {
        if (seen.push(piece) === 3) controller.abort()
      }
    })
    expect(refusal.code).toBe('aborted')
    expect(seen.length).toBe(3)
    expect((await session.logits([1])).length).toBe(vocabulary)
  })

  it('refuses prompts and options out of their ranges at the first piece', async () => {
    const session = plain.session()
    const codeOf = async (prompt: string | number[], options: object) =>
      (await refusalOf(() => collect(session.generate(prompt, options)))).code
    expect(await codeOf([], {})).toBe('option_invalid')
    expect(await codeOf('a', { tokens: 0.5 })).toBe('option_invalid')
    expect(await codeOf('a', { seed: -1 })).toBe('option_invalid')
    expect(await codeOf('a', { stops: ['a\0'] })).toBe('option_invalid')
    expect(await codeOf('a', { stops: [''] })).toBe('engine_failed')
    expect(await codeOf('a', { temperature: -1 })).toBe('engine_failed')
    expect(await codeOf('a'.repeat(64), {})).toBe('context_exceeded')
    expect(session.position).toBe(0)
  })
})
