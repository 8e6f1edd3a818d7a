import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { inspectRunFolder } from '../../src/cli/inspectRunFolder.ts'
import { compile } from '../../src/compile.ts'
import { type Site, sitesOf } from '../../src/plan/sites.ts'
import { load, type Model, type Profile } from '../../src/run/session.ts'

const scratch = mkdtempSync(join(tmpdir(), 'ck-profile-'))
const checkpoint = fileURLToPath(new URL('../parity/goldens/gguf-qwen3-q8_0/model.gguf', import.meta.url))
const folders = { ordinary: join(scratch, 'ordinary'), profile: join(scratch, 'profile') }
const options = { target: 'scalar', context: 256, prefillTokens: 8 }
let ordinary: Model
let counted: Model
let sites: readonly Site[]

beforeAll(async () => {
  await compile(checkpoint, { ...options, out: folders.ordinary })
  await compile(checkpoint, { ...options, out: folders.profile, profile: true })
  ordinary = await load(folders.ordinary)
  counted = await load(folders.profile)
  sites = sitesOf(inspectRunFolder(folders.profile).compiled().programs)
})
afterAll(async () => {
  await Promise.all([ordinary?.close(), counted?.close()])
  rmSync(scratch, { recursive: true, force: true })
})

const ids = (count: number) => Array.from({ length: count }, (_, i) => (i * 37 + 11) % 90)

/** Pieces that each thread has of a claimed call, where there are others who may take some. */
const piecesOfPart = 8

/** Checks that every site was passed by each thread as often as the steps of its mode ask for; by all, where they claim pieces. */
function expectCalls(profile: Profile, steps: { prefill: number; decode: number }): void {
  const threads = profile.counters.length
  sites.forEach(({ mode, rounds, call }, site) => {
    const passages = rounds * steps[mode as keyof typeof steps]
    const calls = profile.counters.map((thread) => thread[site]!.calls)
    if (!call?.isClaimed) expect(calls).toEqual(calls.map(() => passages))
    else expect(calls.reduce((a, b) => a + b)).toBe(threads > 1 ? passages * piecesOfPart * threads : passages)
  })
  expect(sites.some(({ call }) => call?.isClaimed)).toBe(true)
}

describe('a profile build', () => {
  it('names every call and wait of its programs', () => {
    const named = sites.map(({ mode, layer, kind, call, value }) => ({
      mode,
      layer,
      kernel: call?.kernel ?? kind,
      value,
    }))
    expect(counted.sites).toEqual(named)
    expect(named).toContainEqual({ mode: 'decode', layer: 'layer', kernel: 'linear_fwd_q8_0', value: 'blk.*.ffn_down' })
    expect(named).toContainEqual({ mode: 'decode', layer: 'layer', kernel: 'wait', value: 'blk.*.ffn_down' })
  })

  it.each([1, 3])('counts calls exactly, and times that add up to the step, in %i threads', async (threads) => {
    const session = counted.session({ threads })
    await session.append(ids(20))
    await session.append(ids(4), { mode: 'decode' })
    const profile = session.profile()
    expect(profile.counters.length).toBe(threads)
    expectCalls(profile, { prefill: 3, decode: 4 })
    for (const thread of profile.counters) {
      for (const mode of ['prefill', 'decode']) {
        const sum = (wanted: (kind: Site['kind']) => boolean) =>
          thread.reduce((total, { nanoseconds }, i) => {
            return sites[i]!.mode === mode && wanted(sites[i]!.kind) ? total + nanoseconds : total
          }, 0)
        const whole = sum((kind) => kind === 'step')
        expect(whole).toBeGreaterThan(0)
        expect(sum((kind) => kind !== 'step')).toBe(whole)
      }
    }
    await session.close()
  })

  it('keeps every passage of a thread as an event, in order and without a gap inside a step', async () => {
    const session = counted.session({ threads: 2 })
    await session.append(ids(8))
    const { counters, events } = session.profile()
    events.forEach(({ events: own, dropped }, thread) => {
      expect(dropped).toBe(0)
      expect(own.length).toBe(counters[thread]!.reduce((sum, { calls }) => sum + calls, 0))
      const [step, parts] = [own.at(-1)!, own.slice(0, -1)]
      expect(sites[step.site]!.kind).toBe('step')
      expect(parts[0]!.start).toBe(step.start)
      for (let i = 1; i < parts.length; i++) {
        expect(parts[i]!.start).toBe(parts[i - 1]!.start + BigInt(parts[i - 1]!.nanoseconds))
      }
    })
    await session.close()
  })

  it('begins anew when asked to, and counts what its buffer has no room for', async () => {
    const session = counted.session({ threads: 1 })
    await session.append(ids(8))
    session.resetProfile()
    expectCalls(session.profile(), { prefill: 0, decode: 0 })
    const perStep = sites.reduce((sum, { mode, rounds }) => sum + (mode === 'decode' ? rounds : 0), 0)
    const steps = Math.ceil(65536 / perStep) + 5
    for (let done = 0; done < steps; done += 200) {
      session.rewind(8)
      await session.append(ids(Math.min(200, steps - done)), { mode: 'decode' })
    }
    const profile = session.profile()
    expectCalls(profile, { prefill: 0, decode: steps })
    const [{ events, dropped } = { events: [], dropped: 0 }] = profile.events
    expect(events.length).toBe(65536)
    expect(dropped).toBe(steps * perStep - 65536)
    await session.close()
  })

  it('computes the same bits as an ordinary build', async () => {
    const [a, b] = await Promise.all([ordinary, counted].map((model) => model.session({ threads: 2 }).logits(ids(20))))
    expect(b).toEqual(a)
  })

  it('says what it counts of the hardware, or why nothing', async () => {
    const session = counted.session({ threads: 1 })
    await session.append(ids(8))
    const { counters, hardwareRefusal } = session.profile()
    const cycles = counters[0]![sites.findIndex(({ kind }) => kind === 'step')]!.cycles
    if (hardwareRefusal === undefined) expect(cycles).toBeGreaterThan(0)
    else expect({ hardwareRefusal, cycles }).toEqual({ hardwareRefusal: expect.stringMatching(/\w{4}/), cycles: 0 })
    await session.close()
  })
})

describe('an ordinary build', () => {
  it('counts nothing, and says so when asked', async () => {
    expect(ordinary.sites).toEqual([])
    const session = ordinary.session({ threads: 1 })
    const sentence = /this build counts nothing; accepted: one made with ck build --profile/
    expect(() => session.profile()).toThrow(sentence)
    expect(() => session.resetProfile()).toThrow(sentence)
    expect(session.position).toBe(0)
    await session.close()
  })

  it('has the same bytes whether or not it is said that it counts nothing', async () => {
    const again = join(scratch, 'again')
    await compile(checkpoint, { ...options, out: again, profile: false })
    for (const file of [
      'model.c',
      'model.h',
      'manifest.json',
      'threads.json',
      'Makefile',
      'libmodel.so',
      'weights.bump',
    ]) {
      expect(readFileSync(join(again, file)).equals(readFileSync(join(folders.ordinary, file))), file).toBe(true)
    }
  })

  it('has the C of the profile build without its counting', () => {
    const [plain, profile] = [folders.ordinary, folders.profile].map((dir) =>
      readFileSync(join(dir, 'model.c'), 'utf8'),
    )
    expect(plain).not.toMatch(/profile|site/)
    const stripped = profile!
      .replace(/\/\* What a profile counts[\s\S]*?\n};\n\n/, '')
      .replace(/ {4}ck_profile_begin\(s, part\);\n\n/g, '')
      .replace(/\n\n {4}ck_wait\(s->barrier, part\);\n.*\n {4}ck_profile_end\(s, part, \d+\);/g, '')
      .replace(/\n {4}(?: {4})?(?:ck_profile_lap\(s, part, \d+\);|\.site.*)/g, '')
    expect(stripped).toBe(plain)
  })
})
