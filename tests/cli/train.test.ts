import { spawn } from 'node:child_process'
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openCheckpoint } from '../../src/formats/openCheckpoint.ts'
import { openTraining } from '../../src/train/checkpoint/openTraining.ts'
import { seededRandom } from '../conformance/random.ts'
import { type Ck, openCk, root } from './ck.ts'

let ck: Ck
let config: string
let whole: string
let env: NodeJS.ProcessEnv

const steps = 500

/** A tiny model of the text beside it, with a checkpoint behind every seventh step. */
const text = () => `
name: tiny
model: {template: qwen3, vocab: 300, dim: 32, hidden: 64, layers: 2, heads: 2, kvHeads: 1, headDim: 16, contextLen: 64}
tokenizer: {train: text.txt, vocab: 300}
data: {files: text.txt}
train:
  steps: ${steps}
  batch: 4
  length: 16
  threads: 2
  ema: 0.9
  schedule: {rate: 1.0e-3, warmup: 4}
  checkpoint: {every: 7, keep: 2}
  evaluate: {every: 125, batches: 4}
export: {gguf: [f32]}
`

/** Words that follow each other at random. */
function words(count: number): string {
  const random = seededRandom(7)
  const known = ['to', 'be', 'or', 'not', 'that', 'is', 'the', 'question', 'whether', 'nobler']
  return Array.from(
    { length: count },
    (_, i) => `${known[random.whole(known.length)]}${i % 9 === 8 ? '\n' : ' '}`,
  ).join('')
}

const checkpoints = (out: string) => {
  const folder = join(out, 'train', 'checkpoints')
  return existsSync(folder)
    ? readdirSync(folder)
        .filter((name) => name.endsWith('.safetensors'))
        .toSorted()
    : []
}
const last = (out: string) => readFileSync(join(out, 'train', 'checkpoints', checkpoints(out).at(-1)!))
const metricsOf = (out: string) =>
  readFileSync(join(out, 'train', 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))

function onlyLine(path: string) {
  const [line, ...others] = readFileSync(path, 'utf8').trim().split('\n')
  expect(others).toEqual([])
  return JSON.parse(line!)
}

beforeAll(async () => {
  ck = openCk()
  config = join(ck.folder, 'tiny.yaml')
  writeFileSync(join(ck.folder, 'text.txt'), words(4000))
  writeFileSync(config, text())
  whole = join(ck.folder, 'whole')
  env = { ...process.env, CK_CACHE: ck.cache }
  const { code, stderr } = await ck(['train', config, '-o', whole])
  expect(stderr).not.toContain('error')
  expect(code).toBe(0)
})

afterAll(() => ck.remove())

describe('ck train', () => {
  it('learns, writes metrics of every step, and keeps the newest checkpoints', () => {
    const metrics = metricsOf(whole)
    expect(metrics.map(({ step }) => step)).toEqual(Array.from({ length: steps }, (_, i) => i + 1))
    expect(metrics.at(-1).loss).toBeLessThan(metrics[0].loss - 0.5)
    expect(metrics.filter(({ validationLoss }) => validationLoss !== undefined).map(({ step }) => step)).toEqual([
      125, 250, 375, 500,
    ])
    expect(checkpoints(whole)).toEqual(['step-00000497.safetensors', 'step-00000500.safetensors'])
  })

  it('exports the averages of the weights, under the name of the config', () => {
    const kept = openTraining(join(whole, 'train', 'checkpoints', checkpoints(whole).at(-1)!))
    const exported = openCheckpoint(join(whole, 'export', 'tiny-f32.gguf'))
    expect(exported.name).toBe('tiny')
    const values = exported.read(exported.tensors.get('output_norm.weight')!)
    const of = (kind: string) => kept.read(kept.tensors.get(`${kind}.output_norm.weight`)!)
    expect(Buffer.from(values).equals(of('average'))).toBe(true)
    expect(Buffer.from(values).equals(of('weight'))).toBe(false)
    for (const file of [kept, exported]) file.close()
  })

  it('leaves the graphs, the program, the layout and the C of the training', () => {
    const files = readdirSync(join(whole, 'train', 'program'))
    const expected = [
      'ir1.json',
      'ir2.json',
      'lowered_train.json',
      'layout.json',
      'threads.json',
      'model.c',
      'libtrain.so',
    ]
    expect(files).toEqual(expect.arrayContaining(expected))
  })

  it('ends with the same weights when it is killed ten times at random moments', async () => {
    const out = join(ck.folder, 'killed')
    const random = seededRandom(3)
    let kills = 0
    for (let run = 0; run < 40 && kills < 10; run++) {
      if (await isKilled(out, random.whole(120))) kills++
      // Begins anew once it has come to its end.
      else rmSync(out, { recursive: true, force: true })
    }
    expect(kills).toBe(10)
    expect((await ck(['train', config, '-o', out])).code).toBe(0)
    expect(last(out).equals(last(whole))).toBe(true)
    expect(metricsOf(out).map(withoutTime)).toEqual(metricsOf(whole).map(withoutTime))
  }, 180_000)

  it.each(['SIGTERM', 'SIGUSR1', 'SIGINT'] as const)(
    'writes a checkpoint and ends well on %s, and goes on from there',
    async (signal) => {
      const out = join(ck.folder, signal)
      let isSent = false
      const child = spawn(process.execPath, [join(root, 'dist/ck/main.js'), 'train', config, '-o', out], {
        env,
        stdio: 'ignore',
      })
      const poll = setInterval(() => {
        if (!isSent && linesOf(out) > 20) isSent = child.kill(signal)
      }, 2)
      const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
      clearInterval(poll)
      expect(code).toBe(0)
      const [step] = metricsOf(out)
        .map((record) => record.step)
        .toReversed()
      expect(checkpoints(out).at(-1)).toBe(`step-${String(step).padStart(8, '0')}.safetensors`)
      expect(step).toBeLessThan(steps)
      expect((await ck(['train', config, '-o', out, '--threads', '1'])).code).toBe(0)
      expect(last(out).equals(last(whole))).toBe(true)
    },
  )

  it('passes a damaged checkpoint over, and says so', async () => {
    const out = join(ck.folder, 'damaged')
    cpSync(whole, out, { recursive: true })
    const path = join(out, 'train', 'checkpoints', checkpoints(out).at(-1)!)
    const bytes = readFileSync(path)
    bytes[bytes.length - 5]! ^= 1
    writeFileSync(path, bytes)
    const { code, stderr } = await ck(['train', config, '-o', out])
    expect(code).toBe(0)
    expect(stderr).toContain('passed over')
    expect(last(out).equals(last(whole))).toBe(true)
  })

  it('has the losses of one large batch where several small ones make a step', async () => {
    const parts = join(ck.folder, 'parts.yaml')
    writeFileSync(parts, text().replace('batch: 4', 'batch: 2\n  accumulate: 2'))
    const out = join(ck.folder, 'parts')
    expect((await ck(['train', parts, '-o', out, '--debug'])).code).toBe(0)
    expect(readFileSync(join(out, 'train', 'program', 'manifest.json'), 'utf8')).toContain('"debug": true')
    const [found, expected] = [metricsOf(out), metricsOf(whole)]
    for (const step of [0, 1, 20, steps - 1])
      expect(Math.abs(found[step].loss - expected[step].loss)).toBeLessThan(2e-3)
  })

  it('evaluates a training that is there on a text, alone, as ck perplexity does: its average, which is exported', async () => {
    writeFileSync(join(ck.folder, 'other.txt'), words(900).toUpperCase().toLowerCase().slice(100))
    const path = join(ck.folder, 'judge.yaml')
    const judge = 'task: evaluate, batch: 3, length: 16, data: { files: other.txt }'
    const stages = `stages: [{ name: judge, ${judge} }, { name: plain, ${judge}, average: false }]`
    writeFileSync(path, `model: {checkpoint: whole}\n${stages}\nexport: {gguf: [f32]}\n`)
    const out = join(ck.folder, 'judged')
    const { code, stdout } = await ck(['train', path, '-o', out])
    expect([code, stdout]).toEqual([
      0,
      expect.stringMatching(/judge: validation loss .* bits per byte of \d+\n.*plain: .*\n.*f32.gguf/),
    ])
    const found = onlyLine(join(out, 'judge', 'metrics.jsonl'))
    const gguf = join(out, 'export', 'judge-f32.gguf')
    const text = ['--file', join(ck.folder, 'other.txt'), '--window', '16', '--strict', '--json']
    const scored = JSON.parse((await ck(['perplexity', gguf, ...text])).stdout)
    const { validationLoss, bitsPerByte, targets, bytes } = found
    expect([targets, bytes]).toEqual([scored.scoredTokens, scored.bytes])
    expect(Math.abs(validationLoss - scored.natsPerToken.mean)).toBeLessThan(1e-4)
    expect(Math.abs(bitsPerByte - scored.bitsPerByte.mean)).toBeLessThan(1e-4)
    expect(Math.abs(onlyLine(join(out, 'plain', 'metrics.jsonl')).validationLoss - validationLoss)).toBeGreaterThan(
      1e-4,
    )
  })

  it.each([
    ['an unknown key', (yaml: string) => yaml.replace('batch:', 'batsh:'), "'batch'"],
    [
      'a data set smaller than a batch',
      (yaml: string) => yaml.replace('batch: 4', 'batch: 4000'),
      'fewer than a batch',
    ],
    ['two lengths of training', (yaml: string) => yaml.replace('steps:', 'epochs: 2\n  steps:'), 'epochs'],
    ['a vocabulary that is too small', (yaml: string) => yaml.replace('vocab: 300, dim', 'vocab: 280, dim'), 'vocab'],
  ])('refuses %s in one sentence', async (_what, change, says) => {
    const path = join(ck.folder, 'bad.yaml')
    writeFileSync(path, change(text()))
    const { code, stderr } = await ck(['train', path, '-o', join(ck.folder, 'bad')])
    expect(code).not.toBe(0)
    expect(stderr).toContain(says)
    expect(stderr).not.toContain('    at ')
    rmSync(join(ck.folder, 'bad'), { recursive: true, force: true })
  })

  it('does not go on in the folder of another config', async () => {
    const other = join(ck.folder, 'other.yaml')
    writeFileSync(other, text().replace('dim: 32', 'dim: 64'))
    const before = last(whole)
    const { code, stderr } = await ck(['train', other, '-o', whole])
    expect(code).not.toBe(0)
    expect(stderr).toContain('the same config')
    expect(last(whole).equals(before)).toBe(true)
  })
})

/** What a record says besides how long it took. */
function withoutTime({ seconds: _, ...record }: Record<string, unknown>): unknown {
  return record
}

/** Runs the training and kills it some milliseconds behind its first new step; false where it came to its end before. */
async function isKilled(out: string, milliseconds: number): Promise<boolean> {
  const before = linesOf(out)
  const child = spawn(process.execPath, [join(root, 'dist/ck/main.js'), 'train', config, '-o', out], {
    env,
    stdio: 'ignore',
  })
  let at: number | undefined
  const poll = setInterval(() => {
    // A run that goes on cuts off lines of steps behind its checkpoint first.
    if (at === undefined && linesOf(out) !== before) at = performance.now()
    if (at !== undefined && performance.now() - at > milliseconds) child.kill('SIGKILL')
  }, 1)
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  clearInterval(poll)
  return code === null
}

function linesOf(out: string): number {
  const path = join(out, 'train', 'metrics.jsonl')
  return existsSync(path) ? readFileSync(path, 'latin1').split('\n').length - 1 : 0
}
