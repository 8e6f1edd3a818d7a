import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { CkError } from '../../src/base/errors.ts'
import type { HubSettings } from '../../src/hub/hubSettings.ts'
import { pullModel } from '../../src/hub/pullModel.ts'
import { commit, gitHash, type HubServer, openHub, sha256 } from './hubServer.ts'

const folder = mkdtempSync(join(tmpdir(), 'ck-hub-'))
const big = (seed: number, bytes: number) => Uint8Array.from({ length: bytes }, (_, i) => (i * seed + (i >> 8)) % 251)
const small = (text: string) => Buffer.from(text)
const token = 'hf_test'

const quants = {
  'README.md': small('read me'),
  'model-Q4_K.gguf': big(3, 300),
  'model-Q4_K_M.gguf': big(5, 200_000),
  'model-UD-Q4_K_XL.gguf': big(7, 300),
  'model-IQ4_XS.gguf': big(9, 300),
  'mmproj-model-Q4_K_M.gguf': big(11, 100),
  'Q8_0/model-Q8_0-00001-of-00002.gguf': big(13, 400),
  'Q8_0/model-Q8_0-00002-of-00002.gguf': big(15, 500),
  'odd #1 name-F16.gguf': big(19, 300),
  'lost-Q2_K-00001-of-00002.gguf': big(17, 100),
}
const folderOf = {
  'config.json': small('{}'),
  'tokenizer.json': small('{"a":1}'),
  'merges.txt': small('a b'),
  'model-00001-of-00002.safetensors': big(21, 500),
  'model-00002-of-00002.safetensors': big(23, 600),
  'model.safetensors.index.json': small('{"b":2}'),
  'pytorch_model.bin': big(25, 900),
  '1_Pooling/config.json': small('{"c":3}'),
  'onnx/model.onnx': big(27, 900),
}

let hub: HubServer
let caches = 0
let settings: HubSettings

beforeAll(async () => {
  hub = await openHub({
    'org/quants': { files: quants },
    'org/folder': { files: folderOf },
    'org/one': { files: { 'only.gguf': quants['model-Q4_K.gguf'], 'twin.gguf.txt': small('x') } },
    'org/none': { files: { 'pytorch_model.bin': big(25, 900) } },
    'org/gated': { files: { 'a-Q8_0.gguf': big(29, 300) }, token },
  })
})
afterAll(async () => {
  await hub.close()
  rmSync(folder, { recursive: true, force: true })
})
afterEach(() => {
  hub.seen.length = 0
  hub.mishaps.length = 0
  hub.refusals.length = 0
  hub.lie = undefined
})

/** Settings with an empty cache. */
function fresh(more: Partial<HubSettings> = {}): HubSettings {
  const cache = join(folder, `cache-${caches++}`)
  settings = { endpoint: hub.endpoint, isOffline: false, cache, retryMilliseconds: 1, ...more }
  return settings
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

const place = (repo: string, ...rest: string[]) => join(settings.cache, `models--${repo.replace('/', '--')}`, ...rest)
const blobs = (repo: string) => readdirSync(place(repo, 'blobs'))
const storageRequests = () => hub.seen.filter(({ at }) => at === 'storage')

describe('a model of the hub', () => {
  it('comes as a GGUF file of the quantisation, in the layout of the shared cache', async () => {
    const path = await pullModel('org/quants:q4_k_m', { settings: fresh() })
    expect(path).toBe(place('org/quants', 'snapshots', commit, 'model-Q4_K_M.gguf'))
    const bytes = quants['model-Q4_K_M.gguf']
    expect(readFileSync(path).equals(bytes)).toBe(true)
    expect(lstatSync(path).isSymbolicLink()).toBe(true)
    expect(readlinkSync(path)).toBe(join('..', '..', 'blobs', sha256(bytes)))
    expect(readFileSync(place('org/quants', 'refs', 'main'), 'utf8')).toBe(commit)
    expect(blobs('org/quants')).toEqual([sha256(bytes)])
  })

  it('comes with all its shards, once', async () => {
    fresh()
    const progress: number[] = []
    const path = await pullModel('hf://org/quants:Q8_0', { settings, onProgress: (done) => progress.push(done) })
    expect(path).toBe(place('org/quants', 'snapshots', commit, 'Q8_0/model-Q8_0-00001-of-00002.gguf'))
    expect(readdirSync(place('org/quants', 'snapshots', commit, 'Q8_0')).length).toBe(2)
    expect(progress.at(-1)).toBe(1)
    expect(progress).toEqual(progress.toSorted((a, b) => a - b))
    hub.seen.length = 0
    expect(await pullModel('org/quants:Q8_0', { settings })).toBe(path)
    expect(storageRequests()).toEqual([])
  })

  it('comes by the name of its file, of a shard, or as the only one there is', async () => {
    fresh()
    const of = (name: string) => place('org/quants', 'snapshots', commit, name)
    expect(await pullModel('hf://org/quants/model-Q4_K.gguf', { settings })).toBe(of('model-Q4_K.gguf'))
    expect(await pullModel('hf://org/quants/odd #1 name-F16.gguf', { settings })).toBe(of('odd #1 name-F16.gguf'))
    expect(await pullModel('hf://org/quants/Q8_0/model-Q8_0-00002-of-00002.gguf', { settings })).toBe(
      of('Q8_0/model-Q8_0-00001-of-00002.gguf'),
    )
    expect(await pullModel('hf://org/one', { settings })).toBe(place('org/one', 'snapshots', commit, 'only.gguf'))
  })

  it('comes as a transformers folder, without what reading it does not need', async () => {
    const path = await pullModel('hf://org/folder', { settings: fresh() })
    expect(path).toBe(place('org/folder', 'snapshots', commit))
    const files = readdirSync(path, { recursive: true, encoding: 'utf8' }).toSorted()
    expect(files).toEqual(['1_Pooling', ...Object.keys(folderOf).filter((name) => !/onnx|bin$/.test(name))].toSorted())
    expect(readlinkSync(join(path, '1_Pooling/config.json'))).toBe(
      join('..', '..', '..', 'blobs', gitHash(folderOf['1_Pooling/config.json'])),
    )
  })

  it('is taken from the cache without a request where HF_HUB_OFFLINE says so', async () => {
    fresh()
    const path = await pullModel('org/quants:Q8_0', { settings })
    hub.seen.length = 0
    const offline = { ...settings, isOffline: true }
    expect(await pullModel('org/quants:Q8_0', { settings: offline })).toBe(path)
    expect(
      await pullModel(`hf://org/quants@${commit}/Q8_0/model-Q8_0-00001-of-00002.gguf`, { settings: offline }),
    ).toBe(path)
    expect(hub.seen).toEqual([])
    expect((await refusalOf(() => pullModel('org/quants:Q4_K_M', { settings: offline }))).code).toBe('hub_choice')
    expect(await refusalOf(() => pullModel('org/one:Q8_0', { settings: offline }))).toEqual({
      code: 'hub_offline',
      message: `org/one:Q8_0: revision 'main' is not in ${place('org/one')}, and HF_HUB_OFFLINE forbids to download it; unset it to do so`,
    })
  })
})

describe('what does not fit a name is refused with what is there', () => {
  const cases: readonly [name: string, code: string, says: string][] = [
    [
      'org/quants:Q5_K_M',
      'hub_choice',
      "org/quants has no GGUF model of 'Q5_K_M'; accepted: Q8_0/model-Q8_0-00001-of-00002.gguf, ",
    ],
    ['org/quants:Q4_XS', 'hub_choice', "no GGUF model of 'Q4_XS'"],
    ['org/quants:Q2_K', 'hub_choice', "lacks the shard 'lost-Q2_K-00002-of-00002.gguf'"],
    ['hf://org/quants', 'hub_choice', 'has several GGUF models, and the name says none of them; accepted: Q8_0/'],
    ['hf://org/quants/model.gguf', 'hub_choice', "has no file 'model.gguf'; accepted: Q8_0/"],
    ['hf://org/quants/README.md', 'hub_choice', "'README.md' is no GGUF file"],
    [
      'hf://org/none',
      'hub_choice',
      'has neither a GGUF file nor config.json with model.safetensors; accepted: pytorch_model.bin',
    ],
    ['hf://org/missing', 'hub_refused', 'status 404; there is no such repository, revision or file'],
    ['hf://org/quants@other', 'hub_refused', 'status 404'],
    [
      'hf://org/gated',
      'hub_refused',
      'status 401; it is gated, private or missing; set HF_TOKEN to a token that has access',
    ],
    ['hf://org', 'hub_name_invalid', 'accepted: hf://org/repo/file.gguf, hf://org/repo, org/repo:Q4_K_M'],
    ['hf://org/quants/../x.gguf', 'hub_name_invalid', 'is no path in a repository'],
    ['hf://org/quants/a//b.gguf', 'hub_name_invalid', 'is no path in a repository'],
    ['hf://../quants', 'hub_name_invalid', 'is no name'],
    ['org/quants@../x:Q8_0', 'hub_name_invalid', 'is no revision'],
  ]
  it.each(cases)('%s', async (name, code, says) => {
    const refusal = await refusalOf(() => pullModel(name, { settings: fresh() }))
    expect(refusal.code).toBe(code)
    expect(refusal.message).toContain(says)
    expect(existsSync(settings.cache)).toBe(false)
  })

  it('a quantisation that two files have', async () => {
    const two = await openHub({ 'org/two': { files: { 'a-Q8_0.gguf': big(3, 100), 'b.Q8_0.gguf': big(5, 100) } } })
    const refusal = await refusalOf(() => pullModel('org/two:Q8_0', { settings: fresh({ endpoint: two.endpoint }) }))
    expect(refusal.message).toBe(
      "org/two:Q8_0: org/two has more than one GGUF model of 'Q8_0'; accepted: a-Q8_0.gguf, b.Q8_0.gguf",
    )
    await two.close()
  })
})

describe('a token', () => {
  it('opens a gated model, goes to no other host, and is told when it has no access', async () => {
    await pullModel('org/gated:Q8_0', { settings: fresh({ token }) })
    expect(
      hub.seen.filter(({ at }) => at === 'hub').every(({ authorization }) => authorization === `Bearer ${token}`),
    ).toBe(true)
    expect(storageRequests().map(({ authorization }) => authorization)).toEqual([undefined])
    const refusal = await refusalOf(() => pullModel('org/gated:Q8_0', { settings: fresh({ token: 'hf_other' }) }))
    expect(refusal.message).toContain('HF_TOKEN has no access to it')
    expect(refusal.message).not.toContain('hf_other')
  })
})

describe('a download', () => {
  const name = 'org/quants:Q4_K_M'
  const bytes = quants['model-Q4_K_M.gguf']
  const hash = sha256(bytes)

  it('goes on by itself where the connection is cut, and where the hub fails for a moment', async () => {
    fresh()
    hub.refusals.push(503, 502)
    hub.mishaps.push({ status: 500 }, { cutAfter: 70_000 }, { cutAfter: 70_000 }, { status: 503 })
    expect(readFileSync(await pullModel(name, { settings })).equals(bytes)).toBe(true)
    const ranges = storageRequests().map(({ range }) => range)
    expect(ranges.length).toBe(5)
    expect(ranges.slice(0, 2)).toEqual([undefined, undefined])
    for (const range of ranges.slice(2)) expect(range).toMatch(/^bytes=\d+-$/)
    expect(blobs('org/quants')).toEqual([hash])
  })

  it('that fails for long leaves its bytes, and the next one asks for the others only', async () => {
    fresh()
    hub.mishaps.push({ cutAfter: 120_000 }, ...Array.from({ length: 3 }, () => ({ status: 500 })))
    const refusal = await refusalOf(() => pullModel(name, { settings }))
    expect(refusal.code).toBe('hub_cut')
    expect(refusal.message).toMatch(/the download ended after \d+ of 200000 bytes \(status 500\); they are kept/)
    expect(blobs('org/quants')).toEqual([`${hash}.part`])
    expect(existsSync(place('org/quants', 'snapshots'))).toBe(false)
    hub.seen.length = 0
    const kept = readFileSync(place('org/quants', 'blobs', `${hash}.part`)).length
    expect(kept).toBeGreaterThan(0)
    expect(readFileSync(await pullModel(name, { settings })).equals(bytes)).toBe(true)
    expect(storageRequests().map(({ range }) => range)).toEqual([`bytes=${kept}-`])
    expect(blobs('org/quants')).toEqual([hash])
  })

  it('that is stopped leaves its bytes too', async () => {
    fresh()
    hub.mishaps.push({ stall: true })
    const controller = new AbortController()
    const onProgress = (done: number) => {
      if (done > 0) controller.abort()
    }
    const refusal = await refusalOf(() => pullModel(name, { settings, signal: controller.signal, onProgress }))
    expect(refusal.code).toBe('download_stopped')
    expect(blobs('org/quants')).toEqual([`${hash}.part`])
    await pullModel(name, { settings })
    expect(storageRequests()[1]?.range).toMatch(/^bytes=\d+-$/)
  })

  it('takes over what a process that died has left, and not what a living one writes', async () => {
    fresh()
    const { hostname } = await import('node:os')
    const machine = hostname().replace(/[^A-Za-z0-9-]/g, '_')
    mkdirSync(place('org/quants', 'blobs'), { recursive: true })
    const dead = `${hash}.999999999@${machine}.00aa.part`
    const living = `${hash}.${process.ppid}@${machine}.00bb.part`
    writeFileSync(place('org/quants', 'blobs', dead), bytes.subarray(0, 50_000))
    writeFileSync(place('org/quants', 'blobs', living), bytes.subarray(0, 90_000))
    await pullModel(name, { settings })
    expect(storageRequests().map(({ range }) => range)).toEqual(['bytes=50000-'])
    expect(blobs('org/quants').toSorted()).toEqual([hash, living].toSorted())
  })

  it('of several processes at once gives each the whole file', async () => {
    fresh()
    hub.mishaps.push({ cutAfter: 40_000 }, { cutAfter: 80_000 })
    const paths = await Promise.all(Array.from({ length: 5 }, () => pullModel(name, { settings })))
    expect(new Set(paths).size).toBe(1)
    expect(readFileSync(paths[0]!).equals(bytes)).toBe(true)
    expect(blobs('org/quants')).toEqual([hash])
  })

  it('begins again where the storage ignores ranges, or has less than what is here', async () => {
    fresh()
    hub.mishaps.push({ cutAfter: 60_000 }, { ignoreRange: true })
    expect(readFileSync(await pullModel(name, { settings })).equals(bytes)).toBe(true)
    fresh()
    mkdirSync(place('org/quants', 'blobs'), { recursive: true })
    writeFileSync(place('org/quants', 'blobs', `${hash}.part`), big(2, 300_000))
    expect(readFileSync(await pullModel(name, { settings })).equals(bytes)).toBe(true)
    fresh()
    mkdirSync(place('org/quants', 'blobs'), { recursive: true })
    writeFileSync(place('org/quants', 'blobs', `${hash}.part`), bytes.subarray(0, 100))
    hub.mishaps.push({ status: 416 })
    expect(readFileSync(await pullModel(name, { settings })).equals(bytes)).toBe(true)
  })

  it('of other bytes than the hub says is refused and removed', async () => {
    fresh()
    hub.mishaps.push({ bytes: big(99, 200_000) })
    const wrong = await refusalOf(() => pullModel(name, { settings }))
    expect(wrong.code).toBe('hub_damaged')
    expect(wrong.message).toContain(`and the hub says ${hash}`)
    expect(blobs('org/quants')).toEqual([])
    hub.mishaps.push({ bytes: big(5, 200_001) })
    expect((await refusalOf(() => pullModel(name, { settings }))).message).toContain(
      'has more bytes, and the hub says 200000 bytes',
    )
    expect(blobs('org/quants')).toEqual([])
    hub.mishaps.push(...Array.from({ length: 4 }, () => ({ bytes: new Uint8Array(0) })))
    expect((await refusalOf(() => pullModel(name, { settings }))).code).toBe('hub_unreachable')
    expect(blobs('org/quants')).toEqual([])
    hub.lie = (entry) => (entry.path === 'merges.txt' ? { ...entry, oid: 'a'.repeat(40) } : entry)
    expect((await refusalOf(() => pullModel('hf://org/folder', { settings }))).code).toBe('hub_damaged')
    expect(await pullModel(name, { settings })).toContain(commit)
  })

  it('is refused where no hub answers, or one that lies about paths and hashes', async () => {
    const closed = await openHub({})
    await closed.close()
    const nobody = await refusalOf(() => pullModel(name, { settings: fresh({ endpoint: closed.endpoint }) }))
    expect(nobody.code).toBe('hub_unreachable')
    expect(nobody.message).toContain('cannot be reached (ECONNREFUSED)')
    hub.lie = (entry) => ({ ...entry, lfs: { oid: '../../x', size: 5 } })
    expect((await refusalOf(() => pullModel(name, { settings: fresh() }))).code).toBe('hub_answer_invalid')
    hub.lie = (entry) => ({ ...entry, path: `../../${String(entry.path)}` })
    const climbing = await refusalOf(() => pullModel(name, { settings: fresh() }))
    expect(climbing.message).toContain('the path "../../model-Q4_K_M.gguf"')
    hub.lie = (entry) => ({ ...entry, size: -1, lfs: undefined })
    expect((await refusalOf(() => pullModel(name, { settings: fresh() }))).code).toBe('hub_answer_invalid')
    expect(existsSync(settings.cache)).toBe(false)
  })
})
