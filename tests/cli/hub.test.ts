import { spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { commit, type HubServer, openHub } from '../hub/hubServer.ts'
import { type Ck, demo, openCk, root } from './ck.ts'

let ck: Ck
let hub: HubServer
let env: { readonly [name: string]: string }
const bytes = readFileSync(demo)

beforeAll(async () => {
  ck = openCk()
  hub = await openHub({ 'org/repo': { files: { 'demo-Q8_0.gguf': bytes, 'config.json': Buffer.from('{}') } } })
  const home = join(ck.folder, 'hub-home')
  env = { HF_ENDPOINT: hub.endpoint, HF_HOME: home, HF_HUB_CACHE: join(home, 'hub'), HF_TOKEN: '', HF_HUB_OFFLINE: '' }
})
afterAll(async () => {
  await hub.close()
  ck.remove()
})

const prompt = ['--temp', '0', '-n', '20', '--prompt', 'First Citizen:']
const repository = () => join(env.HF_HOME!, 'hub', 'models--org--repo')

it('a download that is stopped by Ctrl-C leaves what it has, and the next command goes on from there', async () => {
  hub.mishaps.push({ stall: true })
  const child = spawn(process.execPath, [join(root, 'dist/ck/main.js'), 'pull', 'org/repo:Q8_0'], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  const ended = new Promise((resolve) => child.once('close', resolve))
  const blobs = join(repository(), 'blobs')
  const sizes = () => (existsSync(blobs) ? readdirSync(blobs) : []).map((name) => statSync(join(blobs, name)).size)
  await vi.waitUntil(() => sizes().some((size) => size > 0), { timeout: 60_000, interval: 20 })
  child.kill('SIGINT')
  expect(await ended).toBe(130)
  const kept = Number(/stopped on request after (\d+) of /.exec(said)?.[1])
  expect(sizes()).toEqual([kept])
  hub.seen.length = 0
  const pulled = await ck(['pull', 'org/repo:Q8_0'], { env })
  expect(pulled).toMatchObject({ code: 0, stderr: 'ck: downloading\n' })
  const path = pulled.stdout.trimEnd()
  expect(path).toBe(join(repository(), 'snapshots', commit, 'demo-Q8_0.gguf'))
  expect(readFileSync(path).equals(bytes)).toBe(true)
  expect(sizes()).toEqual([bytes.length])
  expect(hub.seen.find(({ at }) => at === 'storage')?.range).toBe(`bytes=${kept}-`)
})

it('ck run takes a name of the hub, and says what it says for the file', async () => {
  const expected = await ck(['run', demo, ...prompt])
  const named = await ck(['run', 'org/repo:Q8_0', ...prompt], { env })
  expect({ code: named.code, stdout: named.stdout }).toEqual({ code: 0, stdout: expected.stdout })
  const offline = await ck(['run', 'hf://org/repo/demo-Q8_0.gguf', ...prompt], {
    env: { ...env, HF_ENDPOINT: 'http://127.0.0.1:9', HF_HUB_OFFLINE: '1' },
  })
  expect(offline.stdout).toBe(expected.stdout)
})

it('every command that takes a model takes a name, and refuses a wrong one in a sentence', async () => {
  const inspected = await ck(['inspect', 'hf://org/repo/demo-Q8_0.gguf'], { env })
  expect(inspected.code).toBe(0)
  const missing = await ck(['tokenize', 'org/repo:Q4_K_M', '--text', 'a'], { env })
  expect(missing).toMatchObject({
    code: 1,
    stdout: '',
    stderr: "ck: org/repo:Q4_K_M: org/repo has no GGUF model of 'Q4_K_M'; accepted: demo-Q8_0.gguf\n",
  })
  const nothing = await ck(['pull', demo], { env })
  expect(nothing).toMatchObject({ code: 2, stderr: expect.stringContaining('is no name of a model of the hub') })
  const token = await ck(['pull', 'org/repo:Q8_0'], { env: { ...env, HF_TOKEN: 'secret' } })
  expect(token).toMatchObject({ code: 2, stderr: expect.stringContaining("HF_TOKEN is '...'") })
})

it('ck run begins with saved tokens that the prompt begins with', async () => {
  const cache = join(ck.folder, 'tokens')
  const options = ['run', demo, '--json', '--temp', '0', '-n', '20', '--prompt-cache', cache]
  const text = 'First Citizen:\nBefore we proceed any further, hear me'
  const expected = JSON.parse((await ck([...options.slice(0, -2), '--prompt', `${text} speak.`])).stdout)
  const first = JSON.parse((await ck([...options, '--save-prompt-cache', '--prompt', `${text} now.`])).stdout)
  expect(first.cachedTokens).toBe(0)
  const second = JSON.parse((await ck([...options, '--prompt', `${text} speak.`])).stdout)
  expect(second.cachedTokens).toBeGreaterThan(10)
  expect({ text: second.text, ids: second.ids }).toEqual({ text: expected.text, ids: expected.ids })
  const alone = await ck(['run', demo, '--save-prompt-cache', '-p', 'a'])
  expect(alone).toMatchObject({ code: 2, stderr: expect.stringContaining('accepted: together with --prompt-cache') })
})

it('ck run shifts a full context where that is asked for', async () => {
  const options = ['run', demo, '--json', '--temp', '0', '--ignore-eos', '--context', '64', '-n', '120', '-p', 'First']
  const ended = JSON.parse((await ck(options)).stdout)
  expect(ended.finish).toBe('context')
  const shifted = JSON.parse((await ck([...options, '--overflow', 'shift', '--keep', '4'])).stdout)
  expect({ finish: shifted.finish, tokens: shifted.tokens }).toEqual({ finish: 'length', tokens: 120 })
  expect(shifted.ids.slice(0, ended.ids.length)).toEqual(ended.ids)
})
