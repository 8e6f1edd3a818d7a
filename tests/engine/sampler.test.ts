import { join } from 'node:path'
import koffi from 'koffi'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { scratchFolder } from './fixture.ts'

/** src/engine/sampler.h, called directly. */
interface Sampling {
  readonly temperature?: number
  readonly topK?: number
  readonly topP?: number
  readonly minP?: number
  readonly repeatPenalty?: number
  readonly repeatWindow?: number
  readonly seed?: number
}

const folder = scratchFolder()
let draws: (options: Sampling, logits: readonly number[], count: number, recent?: readonly number[]) => number[]
let refusal: (options: Sampling) => string

beforeAll(() => {
  const library = koffi.load(
    folder.build(join(folder.path, 'libmodel.so'), { flags: ['-fsanitize=undefined', '-static-libubsan'] }),
  )
  const sampling = koffi.struct({
    temperature: 'float',
    top_k: 'int32_t',
    top_p: 'float',
    min_p: 'float',
    repeat_penalty: 'float',
    repeat_window: 'int32_t',
    seed: 'uint64_t',
  })
  const open = library.func('ck_sampler_open', 'int', [koffi.pointer(sampling), 'int64_t', 'void *', 'void *'])
  const next = library.func('ck_sampler_next', 'int32_t', ['void *', 'void *', 'void *', 'int64_t'])
  const close = library.func('ck_sampler_close', 'void', ['void *'])
  const opened = (o: Sampling, vocabulary: number, error: Buffer) => {
    const out = new BigUint64Array(1)
    const native = {
      temperature: o.temperature ?? 1,
      top_k: o.topK ?? 0,
      top_p: o.topP ?? 1,
      min_p: o.minP ?? 0,
      repeat_penalty: o.repeatPenalty ?? 1,
      repeat_window: o.repeatWindow ?? 0,
      seed: o.seed ?? 1,
    }
    return open(native, vocabulary, out, error) === 0 ? out[0]! : undefined
  }
  refusal = (options) => {
    const error = Buffer.alloc(512)
    expect(opened(options, 4, error)).toBeUndefined()
    return error.toString('utf8', 0, error.indexOf(0))
  }
  draws = (options, logits, count, recent = []) => {
    const sampler = opened(options, logits.length, Buffer.alloc(512))
    const row = Float32Array.from(logits)
    const ids = Array.from({ length: count }, () =>
      Number(next(sampler, row, Int32Array.from([...recent, 0]), recent.length)),
    )
    close(sampler)
    return ids
  }
})
afterAll(folder.remove)

/** How often each id was drawn, as a share. */
function shares(ids: readonly number[], vocabulary: number): number[] {
  const counts = new Array<number>(vocabulary).fill(0)
  for (const id of ids) counts[id]!++
  return counts.map((count) => count / ids.length)
}

const logOf = (probabilities: readonly number[]) => probabilities.map(Math.log)

const seed42 = [4, 12, 1, 48, 10, 32, 28, 40, 32, 20, 1, 8]

describe('the sampler', () => {
  it('takes the largest logit when greedy, and the lowest id of equal ones', () => {
    expect(draws({ temperature: 0 }, [1, 3, 2, 3], 2)).toEqual([1, 1])
    expect(draws({ topK: 1, temperature: 5 }, [1, 3, 2, 3], 2)).toEqual([1, 1])
  })

  it('draws each id as often as its probability says', () => {
    const got = shares(draws({}, logOf([0.5, 0.25, 0.15, 0.1]), 40_000), 4)
    for (const [id, expected] of [0.5, 0.25, 0.15, 0.1].entries()) expect(got[id]).toBeCloseTo(expected, 1.7)
  })

  it('sharpens with a low temperature', () => {
    // Squares of the probabilities, normalised.
    const got = shares(draws({ temperature: 0.5 }, logOf([0.6, 0.3, 0.1]), 40_000), 3)
    for (const [id, expected] of [0.783, 0.196, 0.022].entries()) expect(got[id]).toBeCloseTo(expected, 1.7)
  })

  it('leaves top_k ids, the lower ones among equals', () => {
    expect(new Set(draws({ topK: 2 }, [1, 5, 5, 5, 0], 200))).toEqual(new Set([1, 2]))
    const got = shares(draws({ topK: 2 }, logOf([0.2, 0.6, 0.2]), 40_000), 3)
    expect(got[1]).toBeCloseTo(0.75, 1.7)
    expect(got[2]).toBe(0)
  })

  it('leaves the fewest ids whose share reaches top_p, of those that top_k left', () => {
    const logits = logOf([0.4, 0.3, 0.2, 0.1])
    expect(new Set(draws({ topP: 0.65 }, logits, 400))).toEqual(new Set([0, 1]))
    expect(new Set(draws({ topP: 0.75 }, logits, 400))).toEqual(new Set([0, 1, 2]))
    expect(new Set(draws({ topP: 0 }, logits, 400))).toEqual(new Set([0]))
    // 0.4 of the 0.9 that three ids have is 0.44.
    expect(new Set(draws({ topK: 3, topP: 0.42 }, logits, 400))).toEqual(new Set([0]))
    expect(new Set(draws({ topP: 0.42 }, logits, 400))).toEqual(new Set([0, 1]))
  })

  it('leaves ids that are min_p times as likely as the likeliest', () => {
    const logits = logOf([0.5, 0.3, 0.15, 0.05])
    expect(new Set(draws({ minP: 0.25 }, logits, 400))).toEqual(new Set([0, 1, 2]))
    expect(new Set(draws({ minP: 0.55 }, logits, 400))).toEqual(new Set([0, 1]))
    expect(new Set(draws({ minP: 1 }, logits, 400))).toEqual(new Set([0]))
    expect(new Set(draws({ minP: 0.25, topK: 2 }, logits, 400))).toEqual(new Set([0, 1]))
  })

  it('makes ids of the window less likely, once each, whatever their sign', () => {
    const greedy = { temperature: 0, repeatPenalty: 2, repeatWindow: 3 }
    expect(draws(greedy, [4, 3, 1], 1, [0])).toEqual([1])
    expect(draws(greedy, [4, 1.9, 1], 1, [0, 0, 0])).toEqual([0])
    expect(draws(greedy, [-1, -1.5, -3], 1, [0])).toEqual([1])
    expect(draws(greedy, [4, 3, 1], 1, [0, 2, 2, 2])).toEqual([0])
    expect(draws({ ...greedy, repeatWindow: 0 }, [4, 3, 1], 1, [0])).toEqual([0])
  })

  it('gives these ids for this seed on every machine', () => {
    const logits = Array.from({ length: 50 }, (_, i) => ((i * 37) % 50) / 16)
    const ids = draws({ seed: 42, topK: 40, topP: 0.95, temperature: 0.8 }, logits, 12)
    expect(ids).toEqual(seed42)
  })

  it('agrees with a sampler that sorts everything, for any settings', () => {
    const random = uniforms(7n)
    const next = (most: number) => Math.floor((random.next().value as number) * most)
    for (let i = 0; i < 300; i++) {
      const logits = Array.from({ length: 1 + next(60) }, () => (next(4000) - 2000) / 256)
      const recent = Array.from({ length: next(10) }, () => next(logits.length))
      const options = {
        temperature: (1 + next(40)) / 16,
        topK: next(2) * next(80),
        topP: next(2) ? 1 : next(101) / 100,
        minP: next(2) * (next(50) / 100),
        repeatPenalty: 1 + next(8) / 8,
        repeatWindow: next(8),
        seed: next(2 ** 40),
      }
      const expected = options.topK === 1 ? undefined : reference(options, logits, 20, recent)
      if (expected) expect(draws(options, logits, 20, recent), JSON.stringify(options)).toEqual(expected)
    }
  })

  it('survives NaN and infinities', () => {
    const { NaN: nan, POSITIVE_INFINITY: inf } = Number
    for (const options of [{ temperature: 0 }, {}, { topK: 3 }, { topP: 0.5 }, { minP: 0.1 }, { temperature: 1e-30 }]) {
      expect(draws(options, [nan, nan, nan], 3)).toEqual([0, 0, 0])
      expect(draws(options, [nan, -inf, 1, -inf], 3)).toEqual([2, 2, 2])
      expect(draws(options, [1, inf, nan, 0], 3)).toEqual([1, 1, 1])
    }
  })

  it('works for one id and for many', () => {
    expect(draws({ topK: 40, topP: 0.9 }, [0], 2)).toEqual([0, 0])
    const many = Array.from({ length: 150_000 }, (_, i) => Math.sin(i * i) * 10)
    for (const id of draws({ topK: 40, topP: 0.95 }, many, 5)) expect(many[id]).toBeGreaterThan(9.9)
  })

  it('refuses settings out of their ranges', () => {
    expect(refusal({ temperature: -1 })).toBe('temperature is -1; accepted: 0 (greedy) or more')
    expect(refusal({ temperature: Number.NaN })).toContain('temperature is')
    expect(refusal({ topK: -1 })).toBe('top_k is -1; accepted: 0 (off) or more')
    expect(refusal({ topP: 1.5 })).toBe('top_p is 1.5; accepted: 0 to 1 (off)')
    expect(refusal({ minP: -0.5 })).toBe('min_p is -0.5; accepted: 0 (off) to 1')
    expect(refusal({ repeatPenalty: 0 })).toBe('repeat_penalty is 0; accepted: more than 0 (1: off)')
    expect(refusal({ repeatWindow: -2 })).toBe('repeat_window is -2; accepted: 0 (off) or more')
  })
})

/** xoshiro256** seeded by splitmix64, as numbers in [0, 1). */
function* uniforms(seed: bigint): Generator<number> {
  const mask = (1n << 64n) - 1n
  const state = [0, 1, 2, 3].map((i) => {
    let z = (seed + BigInt(i + 1) * 0x9e3779b97f4a7c15n) & mask
    z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & mask
    z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & mask
    return z ^ (z >> 31n)
  })
  const rotate = (x: bigint, k: bigint) => ((x << k) | (x >> (64n - k))) & mask
  for (;;) {
    const [a, b, c, d] = state as [bigint, bigint, bigint, bigint]
    yield Number(((rotate((b * 5n) & mask, 7n) * 9n) & mask) >> 11n) / 2 ** 53
    const [c1, d1] = [c ^ a, d ^ b]
    state.splice(0, 4, a ^ d1, b ^ c1, c1 ^ ((b << 17n) & mask), rotate(d1, 45n))
  }
}

/** The sampler as its header describes it, by sorting everything. */
function reference(o: Sampling, logits: readonly number[], count: number, recent: readonly number[]): number[] {
  const penalty = o.repeatPenalty ?? 1
  const seen = new Set(recent.slice(Math.max(0, recent.length - (o.repeatWindow ?? 0))))
  const penalised = logits.map((logit, id) => {
    if (!seen.has(id)) return Math.fround(logit)
    const single = Math.fround(penalty)
    return Math.fround(Math.fround(logit) > 0 ? Math.fround(logit) / single : Math.fround(logit) * single)
  })
  const order = penalised.map((_, id) => id).sort((a, b) => penalised[b]! - penalised[a]! || a - b)
  let kept = o.topK ? order.slice(0, o.topK) : order
  const largest = penalised[order[0]!]!
  const weight = (id: number) => Math.exp((penalised[id]! - largest) / Math.fround(o.temperature ?? 1))
  const mass = kept.reduce((sum, id) => sum + weight(id), 0)
  let sum = 0
  if ((o.topP ?? 1) < 1) {
    kept = kept.filter((id, i) => {
      const stays = i === 0 || sum < Math.fround(o.topP ?? 1) * mass
      sum += weight(id)
      return stays
    })
  }
  kept = kept.filter((id, i) => i === 0 || weight(id) >= Math.fround(o.minP ?? 0))
  const isWhole = ((o.topK ?? 0) === 0 || o.topK! >= order.length) && (o.topP ?? 1) === 1 && !o.minP
  if (isWhole) kept.sort((a, b) => a - b)
  const total = kept.reduce((all, id) => all + weight(id), 0)
  const random = uniforms(BigInt(o.seed ?? 1))
  return Array.from({ length: count }, () => {
    let rest = (random.next().value as number) * total
    for (const id of kept) {
      rest -= weight(id)
      if (rest < 0) return id
    }
    return kept.at(-1)!
  })
}
