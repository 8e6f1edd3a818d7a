import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import { crc32c } from '../../src/train/watch/crc32c.ts'
import { EventFile } from '../../src/train/watch/eventFile.ts'
import { MetricsFile } from '../../src/train/watch/metricsFile.ts'
import { untilSignal } from '../../src/train/watch/untilSignal.ts'
import { fieldOf, fieldsOf, recordsOf } from './readEvents.ts'

const repository = new URL('../../', import.meta.url)
const root = mkdtempSync(join(tmpdir(), 'ck-watch-'))
afterAll(() => rmSync(root, { recursive: true }))

const record = (step: number) => ({ step, loss: 4 / step, text: 'é\n' })

describe('metrics.jsonl', () => {
  const write = (path: string, behind: number, steps: readonly number[]) => {
    const file = MetricsFile.open(path, behind)
    for (const step of steps) file.append(record(step))
    file.sync()
    file.close()
  }

  it('has a line per step, read back as written', () => {
    const path = join(root, 'plain.jsonl')
    write(path, 0, [1, 2, 3])
    const lines = readFileSync(path, 'utf8').trimEnd().split('\n')
    expect(lines.map((line) => JSON.parse(line))).toEqual([1, 2, 3].map(record))
  })

  it('is after a resumption what it were without, wherever the training was killed', () => {
    const [whole, cut] = [join(root, 'whole.jsonl'), join(root, 'cut.jsonl')]
    write(whole, 0, [1, 2, 3, 4, 5, 6])
    const text = readFileSync(whole)
    const after4 = Buffer.byteLength(text.toString().split('\n').slice(0, 4).join('\n')) + 1
    for (let size = after4; size <= text.length; size += 3) {
      writeFileSync(cut, text.subarray(0, size))
      write(cut, 4, [5, 6])
      expect(readFileSync(cut).equals(text), `${size} bytes`).toBe(true)
    }
  })

  it('keeps the lines in front of one that is damaged', () => {
    const path = join(root, 'damaged.jsonl')
    writeFileSync(path, '{"step":1}\n{"step":2\n{"step":3}\n')
    write(path, 9, [])
    expect(readFileSync(path, 'utf8')).toBe('{"step":1}\n')
  })

  it('finds its end in a file of many megabytes', () => {
    const path = join(root, 'long.jsonl')
    const lines = Array.from({ length: 30_000 }, (_, i) => `{"step":${i + 1},"text":"${'x'.repeat(i % 97)}"}\n`)
    writeFileSync(path, lines.join(''))
    write(path, 25_000, [])
    expect(readFileSync(path, 'utf8')).toBe(lines.slice(0, 25_000).join(''))
  })

  it('names numbers that JSON has not', () => {
    const path = join(root, 'odd.jsonl')
    const file = MetricsFile.open(path, 0)
    file.append({ step: 1, loss: Number.NaN, norm: Number.POSITIVE_INFINITY })
    file.close()
    expect(readFileSync(path, 'utf8')).toBe('{"step":1,"loss":"NaN","norm":"Infinity"}\n')
  })

  it('is refused where it cannot be', () => {
    const path = join(root, 'nowhere', 'metrics.jsonl')
    expect(() => MetricsFile.open(path, 0)).toThrow(`${path}: cannot be written (ENOENT)`)
  })

  it.skipIf(!existsSync('/dev/full'))('is refused on a full disk (needs /dev/full)', () => {
    expect(() => MetricsFile.open('/dev/full', 0)).toThrow('/dev/full: cannot be written')
  })
})

describe('event files', () => {
  it('hold the version, the begin of the session, and what was told', () => {
    const folder = join(root, 'events')
    const file = new EventFile(folder, 300, () => 1_700_000_000.5)
    file.tell(301, { scalars: { 'loss/train': 2.5, lr: 3e-4 } })
    file.tell(2 ** 33, { tag: 'sample', text: 'To be — or' })
    file.close()
    expect(readdirSync(folder)).toEqual(['events.out.tfevents.1700000000.ck.0000'])
    const [version, start, scalars, sample] = recordsOf(readFileSync(file.path))
    for (const event of [version, start, scalars, sample]) expect(fieldOf(event!, 1)).toBe(1_700_000_000.5)
    expect(String(fieldOf(version!, 3))).toBe('brain.Event:2')
    expect(fieldOf(start!, 2)).toBe(301)
    expect(fieldsOf(fieldOf(start!, 7) as Buffer)).toEqual([[1, 1]])
    expect(fieldOf(scalars!, 2)).toBe(301)
    const values = fieldsOf(fieldOf(scalars!, 5) as Buffer).map(([, value]) => fieldsOf(value as Buffer))
    expect(values).toEqual([
      [
        [1, Buffer.from('loss/train')],
        [2, 2.5],
      ],
      [
        [1, Buffer.from('lr')],
        [2, Math.fround(3e-4)],
      ],
    ])
    expect(fieldOf(sample!, 2)).toBe(2 ** 33)
    const value = fieldOf(fieldOf(sample!, 5) as Buffer, 1) as Buffer
    expect(String(fieldOf(value, 1))).toBe('sample')
    expect(String(fieldOf(fieldOf(fieldOf(value, 9) as Buffer, 1) as Buffer, 1))).toBe('text')
    const tensor = fieldOf(value, 8) as Buffer
    expect([fieldOf(tensor, 1), String(fieldOf(tensor, 8))]).toEqual([7, 'To be — or'])
  })

  it('of one second lie beside each other in order', () => {
    const folder = join(root, 'twice')
    for (const step of [0, 10]) new EventFile(folder, step, () => 1.9).close()
    expect(readdirSync(folder).map((name) => name.slice(-5))).toEqual(['.0000', '.0001'])
  })

  it('have the sums of RFC 3720', () => {
    const sums = [new Uint8Array(32), new Uint8Array(32).fill(255), Uint8Array.from({ length: 32 }, (_, i) => i)]
    expect(sums.map(crc32c)).toEqual([0x8a9136aa, 0x62a8ab43, 0x46dd794e])
    expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283)
  })
})

describe('untilSignal', () => {
  it.each(['SIGTERM', 'SIGUSR1', 'SIGINT'] as const)('remembers %s and lets the step end', async (name) => {
    const others: string[] = []
    const before = () => others.push(name)
    process.on(name, before)
    const watch = untilSignal()
    expect(watch.received).toBeUndefined()
    process.kill(process.pid, name)
    await new Promise((resolve) => watch.signal.addEventListener('abort', resolve))
    expect([watch.received, watch.signal.reason, others]).toEqual([name, name, []])
    watch.end()
    expect(process.listeners(name)).toContain(before)
    process.removeListener(name, before)
  })

  it('ends the process at the second one', async () => {
    execFileSync(process.execPath, ['scripts/prepare.mjs'], { cwd: fileURLToPath(repository), stdio: 'pipe' })
    const script = `
      import { untilSignal } from '${new URL('dist/train/watch/untilSignal.js', repository)}'
      const watch = untilSignal()
      setInterval(() => {}, 1000)
      watch.signal.addEventListener('abort', () => process.stdout.write(watch.received))
      process.stdout.write('ready')`
    const child = spawn(process.execPath, ['--input-type=module', '-e', script])
    let text = ''
    child.stdout.on('data', (more: Buffer) => {
      text += more.toString()
      if (text === 'ready' || text === 'readySIGTERM') child.kill('SIGTERM')
    })
    const [code] = await once(child, 'close')
    expect([code, text]).toEqual([143, 'readySIGTERM'])
  })
})
