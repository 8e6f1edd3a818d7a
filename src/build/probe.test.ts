import { describe, expect, it } from 'vitest'
import { openProbe, probeBytes } from './probe.ts'

describe('openProbe', () => {
  it('answers as often as it is asked, for any number of threads', async () => {
    const probe = await openProbe()
    try {
      for (const threads of [1, 3, 1]) {
        for (const resource of ['read', 'f32', 'int8'] as const) {
          const { best, mean } = await probe.rate(resource, threads)
          expect(mean).toBeGreaterThan(1e8)
          expect(best).toBeGreaterThanOrEqual(mean)
          expect(best).toBeLessThan(1e14)
        }
      }
    } finally {
      await probe.close()
    }
  })

  it('says why it has ended', async () => {
    const probe = await openProbe()
    const refusal = { code: 'compiler_failed', message: expect.stringContaining('so many threads cannot be measured') }
    await expect(probe.rate('f32', 0)).rejects.toMatchObject(refusal)
    await expect(probe.rate('f32', 1)).rejects.toMatchObject(refusal)
    await probe.close()
  })

  it('stops on request, before the start and between questions', async () => {
    await expect(openProbe({ signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'aborted' })
    const controller = new AbortController()
    const probe = await openProbe({ signal: controller.signal })
    expect((await probe.rate('f32', 1)).mean).toBeGreaterThan(0)
    const question = probe.rate('read', 1)
    controller.abort()
    await expect(question).rejects.toMatchObject({ code: 'aborted' })
    await probe.close()
  })
})

describe('the memory that is read', () => {
  const cache = (bytes: number) => [{ level: 3, kind: 'unified', bytes } as const]

  it('is four times the largest cache, from 256 MiB to 1 GiB', () => {
    expect(probeBytes([], 2 ** 34)).toBe(2 ** 28)
    expect(probeBytes(cache(100 * 2 ** 20), 2 ** 34)).toBe(400 * 2 ** 20)
    expect(probeBytes(cache(2 ** 30), 2 ** 34)).toBe(2 ** 30)
  })

  it('is at most a quarter of what is free', () => {
    expect(probeBytes(cache(2 ** 30), 2 ** 28)).toBe(2 ** 26)
    expect(probeBytes([], 0)).toBe(2 ** 24)
  })
})
