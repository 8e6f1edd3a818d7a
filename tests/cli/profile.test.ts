import { cpSync, existsSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { dtypes } from '../../src/base/dtypes.ts'
import { inspectRunFolder } from '../../src/cli/inspectRunFolder.ts'
import { sitesOf } from '../../src/plan/sites.ts'
import { type Ck, openCk, root, runProgram } from './ck.ts'

let ck: Ck
let tiny: string
let ordinary: string
let counted: string
beforeAll(async () => {
  ck = openCk()
  tiny = join(ck.folder, 'tiny.gguf')
  ordinary = join(ck.folder, 'ordinary')
  counted = join(ck.folder, 'counted')
  await ck(['synth', '--shape', 'tiny', '--format', 'q8_0', '-o', tiny])
  await ck.here(['build', tiny, '-o', ordinary])
  await ck.here(['build', tiny, '-o', counted, '--profile'])
})
afterAll(() => ck.remove())

interface TraceEvent {
  readonly name: string
  readonly cat: string
  readonly ph: string
  readonly ts: number
  readonly dur: number
  readonly tid: number
}

describe('ck profile', () => {
  it('writes a well nested trace and stacks of the same times', async () => {
    const out = join(ck.folder, 'profile')
    const { code, stdout } = await ck.here(['profile', tiny, '-p', '9', '-n', '3', '-t', '2', '-o', out, '--json'])
    expect(code).toBe(0)
    const summary = JSON.parse(stdout)
    expect(summary.modes.map(({ mode, steps }: { mode: string; steps: number }) => [mode, steps])).toEqual([
      ['prefill', 1],
      ['decode', 3],
    ])
    const trace = JSON.parse(readFileSync(join(out, 'trace.json'), 'utf8'))
    const complete: TraceEvent[] = trace.traceEvents.filter(({ ph }: TraceEvent) => ph === 'X')
    for (const tid of [0, 1]) {
      const own = complete.filter((event) => event.tid === tid)
      expect(own.filter(({ cat }) => cat === 'step').map(({ name }) => name)).toEqual([
        'prefill',
        ...['decode', 'decode', 'decode'],
      ])
      const layers = own.filter(({ cat }) => cat === 'layer').map(({ name }) => name)
      expect(layers).toEqual(Array(4).fill(['layer 0', 'layer 1']).flat())
      expectNested(own)
    }
    const inTrace = complete.filter(({ cat }) => cat === 'kernel' || cat === 'wait')
    expect(summary.events).toBe(inTrace.length + 2 * 4)
    const stacks = readFileSync(join(out, 'stacks.folded'), 'utf8').trimEnd().split('\n')
    const nanoseconds = stacks.map((line) => Number(/^(?:prefill|decode);.* (\d+)$/.exec(line)![1]))
    const traced = inTrace.reduce((sum, { dur }) => sum + Math.round(1000 * dur), 0)
    expect(nanoseconds.reduce((sum, value) => sum + value, 0)).toBe(traced)
    expect(stacks.some((line) => line.startsWith('decode;layer;linear_fwd_q8_0;blk.*.ffn_down '))).toBe(true)
  })

  it('takes a run folder that was built with --profile, and says whether the hardware was counted', async () => {
    const given = ['-p', '4', '-n', '1', '-t', '1', '-o', join(ck.folder, 'p')]
    const { code, stdout } = await ck.here(['profile', counted, ...given])
    expect(code).toBe(0)
    expect(stdout).toMatch(/trace\.json: \d+ events of 1 thread\n.*stacks\.folded.*\n\nprefill +1 step /)
    expect(stdout).toMatch(/M instructions|cycles, instructions and cache misses: not counted; /)
  })
})

/** Every event lies inside the nearest earlier one that has not ended, as far as the clock's nanoseconds tell. */
function expectNested(events: readonly TraceEvent[]): void {
  const open: TraceEvent[] = []
  const end = ({ ts, dur }: TraceEvent) => Math.round(1000 * (ts + dur))
  for (const event of events) {
    while (open.length > 0 && end(open.at(-1)!) <= Math.round(1000 * event.ts) && event.cat !== 'step') open.pop()
    if (event.cat === 'step') open.length = 0
    const outer = open.at(-1)
    if (outer) expect(end(event)).toBeLessThanOrEqual(end(outer))
    open.push(event)
  }
}

describe('ck bench --ops', () => {
  it('lists every call of a step, with what it has to do', async () => {
    const given = ['--ops', '-p', '9', '-n', '2', '-t', '2', '--repeat', '1']
    const { code, stdout } = await ck.here(['bench', tiny, ...given, '--json'])
    expect(code).toBe(0)
    const { results } = JSON.parse(stdout)
    const sites = sitesOf(inspectRunFolder(counted).compiled().programs)
    // A part that decodes goes on with the rows that it has made; the rows of a prompt are divided anew.
    const barriers: Record<string, unknown> = {
      prefill: { step: 22, perLayer: [10] },
      decode: { step: 18, perLayer: [8] },
    }
    for (const table of results) {
      const calls = sites.filter(({ mode, kind }) => mode === table.kind && kind === 'call')
      const expected = calls.map(({ value, call, rounds }) => ({ value, kernel: call!.kernel, calls: rounds }))
      const ops: { value: string; kernel: string; calls: number; bytes: number; seconds: number }[] = table.ops
      expect(ops.slice(0, -1)).toMatchObject(expected)
      expect(ops.slice(0, -1).every(({ bytes, seconds }) => bytes > 0 && seconds > 0)).toBe(true)
      expect(ops.at(-1)).toMatchObject({ value: '', kernel: '' })
      expect(Object.values(table.limits).every((limit) => (limit as { mean: number }).mean > 0)).toBe(true)
      expect(table.barriers).toEqual(barriers[table.kind])
    }
    expect(results.map(({ kind, steps }: { kind: string; steps: number }) => [kind, steps])).toEqual([
      ['prefill', 1],
      ['decode', 2],
    ])
    const down = results[1].ops.find(({ value }: { value: string }) => value === 'blk.*.ffn_down')
    // Two layers of 64 rows and 128 columns in q8_0, which reads 128 activations in blocks of a8 and writes 64 sums.
    expect(down).toMatchObject({
      bytes: 2 * (64 * 128 * (34 / 32) + 4 * dtypes.a8.blockBytes + 4 * 64),
      operations: 2 * 2 * 64 * 128,
    })
    expect(down.arithmetic).toBe('int8')
  })

  it('prints Markdown otherwise', async () => {
    const given = ['--ops', '-p', '4', '-n', '2', '-t', '1', '--repeat', '1']
    const { code, stdout } = await ck.here(['bench', counted, ...given])
    expect(code).toBe(0)
    expect(stdout).toMatch(/\nprefill 4, 1 thread, depth 0: .* 22 barriers per step \(10 per layer\), waits .* %/)
    expect(stdout).toMatch(/\n\| end of step \|.*\n\| all \|.*\n\ndecode 2, 1 thread, /)
    expect(stdout).toMatch(/ of the time\. This machine just before: .* GB\/s read, .* in int8, .* in f32\.\n/)
  })
})

describe('refusals', () => {
  const out = () => join(ck.folder, 'refused')
  it.each([
    [
      'bench --ops of an ordinary run folder',
      () => ['bench', ordinary, '--ops'],
      2,
      /^ck: MODEL is '.*ordinary'; accepted: a checkpoint, or a run folder built with --profile .*\n$/,
    ],
    [
      'profile of an ordinary run folder',
      () => ['profile', ordinary, '-o', out()],
      2,
      /^ck: MODEL is '.*ordinary'; accepted: a checkpoint, .*\n$/,
    ],
    [
      'profile of too many tokens',
      () => ['profile', counted, '-p', '250', '-n', '7', '-o', out()],
      1,
      /^ck: 257 tokens do not fit/,
    ],
    [
      'bench --vs with --ops',
      () => ['bench', tiny, '--vs', 'llama.cpp', '--ops'],
      2,
      /^ck: --vs is 'given with --ops'; accepted: one of the two\n$/,
    ],
    [
      'bench --vs of a run folder',
      () => ['bench', ordinary, '--vs', 'llama.cpp'],
      2,
      /^ck: MODEL is '.*ordinary'; accepted: with --vs a \.gguf file\n$/,
    ],
    ['bench --vs another engine', () => ['bench', tiny, '--vs', 'x'], 2, /^ck: --vs is 'x'; accepted: llama\.cpp\n$/],
  ] as const)('%s', async (_, parameters, status, sentence) => {
    const { code, stdout, stderr } = await ck.here(parameters())
    expect(stderr).toMatch(sentence)
    expect({ code, stdout }).toEqual({ code: status, stdout: '' })
    expect(existsSync(out())).toBe(false)
  })

  it('bench --vs llama.cpp where bench/ has not installed it says what to run', async () => {
    const elsewhere = join(ck.folder, 'package')
    mkdirSync(elsewhere)
    for (const name of ['dist', 'package.json']) cpSync(join(root, name), join(elsewhere, name), { recursive: true })
    for (const name of ['src', 'node_modules']) symlinkSync(join(root, name), join(elsewhere, name))
    const main = join(elsewhere, 'dist/ck/main.js')
    const given = ['bench', tiny, '--vs', 'llama.cpp', '-p', '4', '-n', '1', '-t', '1']
    const { code, stderr } = await runProgram(process.execPath, [main, ...given], { env: { CK_CACHE: ck.cache } })
    expect(code).toBe(1)
    expect(stderr).toMatch(/ck: llama\.cpp is not installed \(.*\); run `npm install --prefix bench` in a checkout/)
  })
})

const installed = existsSync(join(root, 'bench/node_modules/@node-llama-cpp/linux-x64/bins/linux-x64'))
it.skipIf(!installed)(
  'ck bench --vs llama.cpp gives rates and ratios pair by pair (needs bench/ installed)',
  async () => {
    const given = ['--vs', 'llama.cpp', '-p', '8', '-n', '2', '--depth', '0,16', '-t', '1', '--repeat', '2', '--json']
    const { code, stdout } = await ck.here(['bench', tiny, ...given])
    expect(code).toBe(0)
    const { peer, results } = JSON.parse(stdout)
    expect(peer).toMatch(/^llama\.cpp \d/)
    const spread = { min: expect.any(Number), median: expect.any(Number), max: expect.any(Number) }
    const row = { tokensPerSecond: spread, versus: { tokensPerSecond: spread, ratio: spread } }
    expect(results).toMatchObject([
      { ...row, kind: 'prefill', depth: 0, tokens: 8 },
      { ...row, kind: 'decode', depth: 0, tokens: 2 },
      { ...row, kind: 'decode', depth: 16, tokens: 2 },
    ])
  },
)
