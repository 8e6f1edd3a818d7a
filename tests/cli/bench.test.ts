import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Ck, type Ended, openCk } from './ck.ts'

let ck: Ck
let tiny: string
let measured: Ended
beforeAll(async () => {
  ck = openCk()
  tiny = join(ck.folder, 'tiny.gguf')
  await ck(['synth', '--shape', 'tiny', '--format', 'q8_0', '-o', tiny])
  measured = await ck(['bench', tiny, ...small, '--repeat', '2', '--depth', '16,0', '-t', '1,2', '--json'])
})
afterAll(() => ck.remove())

const small = ['-p', '8', '-n', '4']
const once = [...small, '--repeat', '1']
const positive = expect.toSatisfy((value: unknown) => typeof value === 'number' && Number.isFinite(value) && value > 0)

describe('ck bench', () => {
  it('measures every configuration and relates it to what the machine can do', () => {
    const { code, stdout, stderr } = measured
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    const report = JSON.parse(stdout)
    const head = { name: 'random tiny q8_0', context: 256, weightsBytes: positive, repeat: 2, arithmetic: 'int8' }
    expect(report).toMatchObject(head)
    const rate = { best: positive, mean: positive }
    const expected = [1, 2].flatMap((threads) => {
      const row = {
        threads,
        tokensPerSecond: { min: positive, median: positive, max: positive },
        ...{ bytesPerToken: positive, operationsPerToken: positive },
        ...{ bytesPerSecond: positive, operationsPerSecond: positive },
        limits: { readBytesPerSecond: rate, operationsPerSecond: rate },
        ...{ bandwidthFraction: positive, peakFraction: positive },
      }
      return [
        { ...row, kind: 'prefill', depth: 0, tokens: 8 },
        { ...row, kind: 'decode', depth: 0, tokens: 4 },
        { ...row, kind: 'decode', depth: 16, tokens: 4 },
      ]
    })
    expect(report.results).toEqual(expected)
  })

  it('counts the bytes of the weights that a token reads, and of the cache before it', async () => {
    const [, first, later] = JSON.parse(measured.stdout).results
    const inspected = JSON.parse((await ck.here(['inspect', tiny, '--json', '--memory'])).stdout)
    const weights: { name: string; bytes: number; rows: number }[] = inspected.layout.weights
    const total = weights.reduce((sum, { bytes }) => sum + bytes, 0)
    const table = weights.find(({ name }) => name.startsWith('token_embd'))!
    // Two layers, keys and values, two heads of 32 halves.
    const cellBytes = 2 * 2 * 2 * 32 * 2
    expect(first.bytesPerToken).toBe(total - table.bytes + table.bytes / table.rows + 2.5 * cellBytes)
    expect(later.bytesPerToken - first.bytesPerToken).toBe(16 * cellBytes)
    // Scores and sums: two multiply-adds per head (4), column (32), position and layer.
    expect(later.operationsPerToken - first.operationsPerToken).toBe(2 * 2 * 2 * 4 * 32 * 16)
  })

  it('counts of a layer with a window only what it attends to', async () => {
    const model = fileURLToPath(new URL('../parity/goldens/qwen2-window', import.meta.url))
    const { stdout } = await ck.here(['bench', model, ...once, '--depth', '40,60', '-t', '1', '--json'])
    const [, first, later] = JSON.parse(stdout).results
    // One of two layers attends to all positions: keys and values, two heads of 10 floats; four heads of queries.
    expect(later.bytesPerToken - first.bytesPerToken).toBe(20 * 2 * 2 * 10 * 4)
    expect(later.operationsPerToken - first.operationsPerToken).toBe(20 * 2 * 2 * 4 * 10)
  })

  it('goes back to a depth that a model with recurrent state left by more calls than it keeps states', async () => {
    const model = fileURLToPath(new URL('../parity/goldens/qwen35', import.meta.url))
    // A call decodes 16 tokens, and four states are kept.
    const sizes = ['-p', '8', '-n', '90', '--repeat', '1', '--depth', '40', '--context', '400']
    const { code, stdout } = await ck.here(['bench', model, ...sizes, '-t', '1', '--json'])
    expect(code).toBe(0)
    expect(JSON.parse(stdout).results.map(({ tokens }: { tokens: number }) => tokens)).toEqual([8, 90])
  })

  it('prints a Markdown table otherwise', async () => {
    const { code, stdout } = await ck.here(['bench', tiny, ...once, '-t', '1', '-o', 'md'])
    expect(code).toBe(0)
    expect(stdout).toMatch(
      /^random tiny q8_0 on .*, 1 round\n\n\|.* tokens\/s .*\n\| --- .*\n\| prefill 8 \| 1 \| 0 \|/,
    )
    expect(stdout).toMatch(
      /\n\| decode 4 \| 1 \| 0 \|.* % \|\n\nLimits of this machine in turns with these: .*int8 with 1 thread\.\n$/,
    )
  })

  it.each([
    [['-p', '257'], 1, /ck: 257 tokens do not fit the context; accepted: at most 256 .*\n$/],
    [['--depth', '0,255', '-n', '4'], 1, /ck: 259 tokens do not fit the context; accepted: at most 256 .*\n$/],
    [['--repeat', '0'], 2, /^ck: --repeat is '0'; accepted: a whole number from 1 to 1000\n$/],
    [['-n', '0'], 2, /^ck: --decode-tokens is '0'; accepted: a whole number of at least 1\n$/],
    [['-t', '1,65'], 2, /^ck: --thread-counts is '65'; accepted: a whole number from 1 to 64\n$/],
    [['-t', '2,2'], 2, /^ck: --thread-counts is '2,2'; accepted: each number once\n$/],
    [['--depth', '0,'], 2, /^ck: --depth is ''; accepted: a whole number of at least 0\n$/],
    [['-o', 'csv'], 2, /^ck: --output is 'csv'; accepted: md, json\n$/],
    [['-o', 'md', '--json'], 2, /^ck: --output is 'md'; accepted: json with --json\n$/],
  ])('refuses %j', async (parameters, status, sentence) => {
    const { code, stdout, stderr } = await ck.here(['bench', tiny, ...small, ...parameters])
    expect(stderr).toMatch(sentence)
    expect({ code, stdout }).toEqual({ code: status, stdout: '' })
  })
})
