import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openCheckpoint } from '../../src/formats/openCheckpoint.ts'
import { readModel } from '../../src/templates/readModel.ts'
import { weightTensor } from '../../src/templates/weightRows.ts'
import { saveCheckpoint } from '../../src/train/checkpoint/saveCheckpoint.ts'
import { saveModelFolder } from '../../src/train/export/modelFolder.ts'
import { readGolden } from '../parity/golden.ts'
import { factsAt } from '../train/trainingState.ts'
import { type Ck, ckHere, demo, openCk } from './ck.ts'

let ck: Ck
beforeAll(() => {
  ck = openCk()
})
afterAll(() => ck.remove())

const at = (name: string) => join(ck.folder, name)

describe('ck export', () => {
  it('takes a GGUF file to a transformers folder and back, bit by bit', async () => {
    const { checkpoint: source } = readGolden('gguf-llama-f32')
    const there = await ck(['export', source, at('folder'), '--format', 'transformers', '--json'])
    expect([there.code, JSON.parse(there.stdout)]).toEqual([
      0,
      expect.objectContaining({ path: at('folder'), format: 'transformers', tensors: 21 }),
    ])
    const back = await ck(['export', at('folder'), at('back.gguf'), '--format', 'f32'])
    expect(back.stdout).toMatch(/back.gguf: f32, 21 tensors, \d+ values, [\d.]+ KiB\n$/)
    const [one, other] = [source, at('back.gguf')].map(openCheckpoint)
    expect([...other!.tensors.keys()].toSorted()).toEqual([...one!.tensors.keys()].toSorted())
    for (const record of one!.tensors.values())
      expect(Buffer.compare(one!.read(record), other!.read(other!.tensors.get(record.name)!)), record.name).toBe(0)
    one!.close()
    other!.close()
  })

  it('brings the tokenizer along', async () => {
    await ck(['export', demo, at('demo'), '--format', 'transformers'])
    expect(readdirSync(at('demo')).toSorted()).toEqual([
      ...['config.json', 'generation_config.json', 'model.safetensors', 'tokenizer.json', 'tokenizer_config.json'],
    ])
    const [own, written] = await Promise.all(
      [demo, at('demo')].map((model) => ck(['tokenize', model, '--text', 'Speak, speak.', '--add-special'])),
    )
    expect(written!.stdout).toBe(own!.stdout)
  })

  it('takes the newest whole checkpoint of a training, and says which it passed over', async () => {
    const base = openCheckpoint(demo)
    const model = readModel(base)
    const tensors = model.graph.weights.map(({ name, type }) => {
      const shape = type.shape.map(Number)
      return {
        kind: 'weight',
        name,
        shape,
        data: Float32Array.from(weightTensor(base, model, [name], shape).data),
      } as const
    })
    saveModelFolder(at('run/model'), base, new Set(tensors.map(({ name }) => name)))
    base.close()
    const [good, damaged] = [1, 2].map((step) =>
      saveCheckpoint(at('run/checkpoints'), factsAt(step), tensors, { keep: 2 }),
    )
    const bytes = readFileSync(damaged!)
    writeFileSync(damaged!, bytes.subarray(0, bytes.length / 2))
    const run = await ck(['export', at('run'), at('run.gguf'), '--format', 'q8_0', '--tensor', 'token_embd=f16'])
    expect(run.stderr).toContain(`ck: passed over: ${damaged}`)
    expect([run.code, run.stdout]).toEqual([0, expect.stringMatching(/run.gguf: q8_0, 46 tensors, 3672832 values/)])
    mkdirSync(at('training'))
    cpSync(at('run'), at('training/pretrain'), { recursive: true })
    const whole = await ck([
      'export',
      at('training'),
      at('whole.gguf'),
      '--format',
      'q8_0',
      '--tensor',
      'token_embd=f16',
    ])
    expect([whole.code, readFileSync(at('whole.gguf')).equals(readFileSync(at('run.gguf')))]).toEqual([0, true])
    cpSync(at('run/model'), at('training/tune/model'), { recursive: true })
    const several = await ck(['export', at('training'), at('one.gguf'), '--format', 'q8_0'])
    expect([several.code, several.stderr]).toEqual([
      2,
      `ck: MODEL is '${at('training')}'; accepted: the folder of one of its stages: pretrain, tune\n`,
    ])
    const begun = await ck(['export', at('training/tune'), at('one.gguf'), '--format', 'q8_0'])
    expect([begun.code, begun.stderr]).toEqual([1, expect.stringContaining('no checkpoint is in it')])
    const one = await ck(['export', damaged!, at('one.gguf'), '--format', 'q8_0'])
    expect([one.code, one.stderr]).toEqual([1, expect.stringMatching(/^ck: .*step-00000002.*accepted: /)])
    const average = await ck(['export', good!, at('one.gguf'), '--format', 'f16', '--average'])
    expect(average.stderr).toMatch(/^ck: --average is '/)
    expect(readdirSync(ck.folder)).not.toContain('one.gguf')
  })

  it.each([
    [['x', 'y', '--format', 'q9'], 2, /^ck: --format is 'q9'; accepted: transformers, f32/],
    [['nowhere', 'y', '--format', 'f16'], 1, /^ck: nowhere: cannot be opened/],
    [[demo, '/proc/none', '--format', 'transformers'], 1, /^ck: \/proc\/none: cannot be written/],
  ] as const)('refuses %j in one sentence', async (parameters, code, message) => {
    const ended = await ckHere(['export', ...parameters])
    expect([ended.code, ended.stderr.split('\n').length]).toEqual([code, 2])
    expect(ended.stderr).toMatch(message)
  })
})
