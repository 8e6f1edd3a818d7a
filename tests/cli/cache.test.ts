import { existsSync, mkdirSync, readdirSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { demo, openCk } from './ck.ts'

const ck = openCk()
const models = join(ck.cache, 'models')
beforeAll(async () => {
  expect((await ck.here(['cache'])).stdout).toBe(`0 builds, 0 B, in ${models}\n`)
  for (const context of ['64', '128'])
    expect(await ck.here(['run', demo, '-p', 'a', '-n', '1', '--context', context])).toMatchObject({ code: 0 })
})
afterAll(() => ck.remove())

async function listed(...given: string[]) {
  const { code, stdout } = await ck.here(['cache', '--json', ...given])
  expect(code).toBe(0)
  return JSON.parse(stdout)
}

/** Makes the folder look as if it was used so many days ago. */
function age(dir: string, days: number): void {
  const then = new Date(Date.now() - days * 24 * 60 * 60 * 1000)
  utimesSync(dir, then, then)
}

it('lists builds with their sizes, the latest used first', async () => {
  const { folder, builds } = await listed()
  expect(folder).toBe(models)
  expect(builds.map(({ context }: { context: number }) => context)).toEqual([128, 64])
  const [latest] = builds
  const weights = statSync(join(latest.dir, 'weights.bump')).size
  expect(latest.bytes).toBeGreaterThan(weights)
  expect(latest.bytes).toBeLessThan(weights + 2 ** 22)
  expect(Math.abs(Date.parse(latest.used) - Date.now())).toBeLessThan(120_000)
  expect((await ck.here(['cache'])).stdout).toMatch(/ {2}context 128 .*\n.* {2}context 64 .*\n2 builds, .* MiB, in /)
})

it('counts a build as used when a command opens it', async () => {
  const [{ dir }] = (await listed()).builds
  age(dir, 3)
  expect((await listed()).builds[1].dir).toBe(dir)
  await ck.here(['run', demo, '-p', 'a', '-n', '1', '--context', '128'])
  expect((await listed()).builds[0].dir).toBe(dir)
})

it('removes what was not used for so many days, damaged builds and what killed processes left', async () => {
  const [{ dir }, { dir: old }] = (await listed()).builds
  const [damaged, left, beingBuilt] = [join(models, 'damaged'), `${dir}.building-x`, `${dir}.building-y`] as const
  for (const path of [damaged, left, beingBuilt]) {
    mkdirSync(path)
    writeFileSync(join(path, 'manifest.json'), '{')
  }
  for (const path of [old, damaged, left]) age(path, 8)
  expect((await ck.here(['cache'])).stdout).toMatch(/^damaged .* used /m)
  const { builds, removed, removedBytes } = await listed('--unused', '7')
  expect(builds.map((build: { dir: string }) => build.dir)).toEqual([dir])
  expect(removed).toBe(2)
  expect(removedBytes).toBeGreaterThan(2 ** 20)
  expect([old, damaged, left, beingBuilt].map((path) => existsSync(path))).toEqual([false, false, false, true])
})

it('removes what was not used for 30 days when another build is made', async () => {
  const [{ dir }] = (await listed()).builds
  age(dir, 31)
  await ck.here(['run', demo, '-p', 'a', '-n', '1', '--context', '192'])
  expect((await listed()).builds.map(({ context }: { context: number }) => context)).toEqual([192])
})

it('removes all, and makes a build again that is wanted again', async () => {
  expect(await listed('--unused', '0')).toMatchObject({ builds: [], removed: 1 })
  expect(readdirSync(models).filter((name) => !name.includes('.building-'))).toEqual([])
  expect(await ck.here(['run', demo, '-p', 'a', '-n', '1', '--context', '64'])).toMatchObject({ code: 0 })
  expect((await listed()).builds.map(({ context }: { context: number }) => context)).toEqual([64])
})

it('refuses what is no number of days', async () => {
  const { code, stderr } = await ck.here(['cache', '--unused', '1.5'])
  expect([code, stderr]).toEqual([2, expect.stringMatching(/--unused.*accepted: a whole number/)])
})
