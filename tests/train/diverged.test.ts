import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { hashConfig } from '../../src/train/config/hashConfig.ts'
import { loadTrainConfig } from '../../src/train/config/loadTrainConfig.ts'
import { prepareData } from '../../src/train/data/prepareData.ts'
import { makeFreshModel, writeFreshModel } from '../../src/train/freshModel.ts'
import { runTraining } from '../../src/train/pipeline/runTraining.ts'

const folder = mkdtempSync(join(tmpdir(), 'ck-diverged-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const shape = { vocab: 61, dim: 16, hidden: 24, layers: 2, heads: 2, kvHeads: 1, headDim: 8, contextLen: 32 }

/** A model whose up projection of the second layer has an infinity. */
const damaged = join(folder, 'damaged')

beforeAll(async () => {
  const model = makeFreshModel('qwen3', shape, { method: 'normal', seed: 1 })
  writeFreshModel(damaged, model, {})
  const path = join(damaged, 'model.safetensors')
  const bytes = readFileSync(path)
  const begin = 8 + Number(bytes.readBigUInt64LE())
  const header = JSON.parse(bytes.toString('utf8', 8, begin)) as Record<string, { data_offsets: [number, number] }>
  const [from] = header['model.layers.1.mlp.up_proj.weight']!.data_offsets
  bytes.writeFloatLE(Number.POSITIVE_INFINITY, begin + from + 40)
  writeFileSync(path, bytes)
  writeFileSync(
    join(folder, 'ids.bin'),
    Uint16Array.from({ length: 600 }, (_, i) => (i * i) % shape.vocab),
  )
  writeFileSync(join(folder, 'ids.bin.json'), JSON.stringify({ dtype: 'u16', vocabulary: shape.vocab }))
  await prepareData([join(folder, 'ids.bin')], join(folder, 'data'))
})

/** Runs a training that must refuse; gives the sentence, and the checkpoints that are there then. */
async function refused(
  name: string,
  train: string,
  model = `{template: qwen3, ${JSON.stringify(shape).slice(1, -1)}}`,
) {
  const path = join(folder, `${name}.yaml`)
  writeFileSync(
    path,
    `name: ${name}\nmodel: ${model}\ndata: {prepared: data}\ntrain:\n  {batch: 2, length: 8, steps: 4, threads: 2, checkpoint: {every: 1}, ${train}}\n`,
  )
  const config = loadTrainConfig(path)
  const out = join(folder, name)
  const { signal } = new AbortController()
  const watch = { onNote: () => {} }
  const sentence = await runTraining(config, hashConfig(config, folder), { out, signal, watch }).then(
    () => 'none',
    (error: Error) => error.message,
  )
  const stage = join(out, 'train')
  if (!existsSync(stage)) return { sentence, checkpoints: [] }
  expect(readdirSync(stage)).not.toContain('trace')
  const checkpoints = readdirSync(stage).includes('checkpoints') ? readdirSync(join(stage, 'checkpoints')) : []
  return { sentence, checkpoints }
}

const jumps = 'schedule: {name: constant, rate: 1.0e+30, warmup: 0}'

describe('a training that diverges', () => {
  it('names the op that first gave a number that is not finite, and leaves the last checkpoint', async () => {
    const { sentence, checkpoints } = await refused('jump', jumps)
    expect(sentence).toMatch(
      /^step 2: the norm of the gradients is NaN: the first value that is not finite is \S+, made by the op \w+; /,
    )
    expect(checkpoints).toContain('step-00000001.safetensors')
  })

  it.each(['f32', 'bf16'])(
    'names the weight that was not finite before it, in whichever micro-batch, in %s',
    async (precision) => {
      const settings = `accumulate: 2, schedule: {rate: 1.0e-3}, precision: ${precision}`
      const { sentence } = await refused(`weight-${precision}`, settings, `{checkpoint: ${damaged}}`)
      expect(sentence).toMatch(
        /^step 1: .* made by the op matmul, which reads the weight blk\.1\.ffn_up\.weight, that is not/,
      )
    },
  )

  it('says whose gradients are not finite where the step has changed the weights', async () => {
    const { sentence, checkpoints } = await refused('unclipped', `clip: 0, ${jumps}`)
    expect(sentence).toMatch(/^step 2: the norm of the gradients is NaN, those of \S+ and of \d+ more are not finite; /)
    expect(checkpoints).toContain('step-00000001.safetensors')
  })
})
