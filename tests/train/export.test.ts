import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import type { Checkpoint } from '../../src/formats/checkpoint.ts'
import { openCheckpoint } from '../../src/formats/openCheckpoint.ts'
import { interpretLogits } from '../../src/parity/interpretModel.ts'
import { quantizeModel } from '../../src/quantize/quantizeModel.ts'
import { readModel } from '../../src/templates/readModel.ts'
import { weightTensor } from '../../src/templates/weightRows.ts'
import { saveCheckpoint } from '../../src/train/checkpoint/saveCheckpoint.ts'
import type { TrainingTensor } from '../../src/train/checkpoint/trainingState.ts'
import { exportTransformers } from '../../src/train/export/exportTransformers.ts'
import { saveModelFolder } from '../../src/train/export/modelFolder.ts'
import { openTrained } from '../../src/train/export/openTrained.ts'
import { trainedCheckpoint } from '../../src/train/export/trainedCheckpoint.ts'
import { goldenNames, nmseOf, readGolden } from '../parity/golden.ts'
import { factsAt } from './trainingState.ts'

const root = mkdtempSync(join(tmpdir(), 'ck-export-'))
afterAll(() => rmSync(root, { recursive: true }))

/** The weights of a checkpoint as a training would hold them, times a factor. */
function weightsOf(checkpoint: Checkpoint, factor = 1): readonly TrainingTensor[] {
  const model = readModel(checkpoint)
  return model.graph.weights.map(({ name, type }) => {
    const shape = type.shape.map(Number)
    const { data } = weightTensor(checkpoint, model, [name], shape)
    return { kind: 'weight', name, shape, data: Float32Array.from(data, (value) => factor * value) }
  })
}

/** A run folder of a training that has learnt the weights of a checkpoint, of which nothing else is left. */
function train(checkpoint: Checkpoint, name: string): string {
  const run = join(root, name)
  const tensors = weightsOf(checkpoint)
  saveModelFolder(join(run, 'model'), checkpoint, new Set(tensors.map((tensor) => tensor.name)))
  saveCheckpoint(join(run, 'checkpoints'), factsAt(1), tensors, { keep: 1 })
  return run
}

function logitsOf(path: string, ids: readonly number[]) {
  const checkpoint = openCheckpoint(path)
  const { data } = interpretLogits(checkpoint, readModel(checkpoint), ids)
  checkpoint.close()
  return data
}

const names = goldenNames().filter((name) => !name.startsWith('gguf-') || /-(f32|q8_0)$/.test(name))

describe('a training of', () => {
  it.each(names)('%s is exported from its run folder alone, with the reference logits', async (name) => {
    const golden = readGolden(name)
    const source = openCheckpoint(golden.checkpoint)
    const run = train(source, name)
    source.close()
    const { checkpoint, notes } = openTrained(run, 'weight')
    expect(notes).toEqual([])
    const [gguf, folder] = [join(run, 'out.gguf'), join(run, 'out')]
    await quantizeModel(checkpoint, gguf, { recipe: 'f32', threads: 1 })
    await exportTransformers(checkpoint, folder)
    checkpoint.close()
    // GGUF files hold eps and theta as f32; blocks were decoded to f32.
    for (const path of [gguf, folder])
      expect(nmseOf(golden.logits, logitsOf(path, golden.ids)), path).toBeLessThan(1e-11)
  })

  it('a model that learnt gives other logits, and the tensors its weights', () => {
    const { checkpoint: path } = readGolden('gpt2')
    const base = openCheckpoint(path)
    const tensors = new Map(weightsOf(base, 0.5).map((tensor) => [tensor.name, tensor.data as Float32Array]))
    const trained = trainedCheckpoint(base, {
      names: new Set(tensors.keys()),
      valuesOf: (weight) => tensors.get(weight)!,
    })
    for (const record of base.tensors.values()) {
      const [before, after] = [base, trained].map((each) => {
        const bytes = each.read(each.tensors.get(record.name)!)
        return new Float32Array(bytes.buffer, 0, bytes.length / 4)
      })
      expect(after).toEqual(before!.map((value) => 0.5 * value))
    }
    expect(trained.fingerprint()).not.toBe(base.fingerprint())
    base.close()
  })

  it('a part of a model keeps the rest as it was', () => {
    const base = openCheckpoint(readGolden('gpt2').checkpoint)
    const [first] = weightsOf(base, 2)
    const weights = { names: new Set([first!.name]), valuesOf: () => first!.data as Float32Array }
    const run = join(root, 'part')
    saveModelFolder(join(run, 'model'), base, weights.names)
    saveCheckpoint(join(run, 'checkpoints'), factsAt(1), [first!], { keep: 1 })
    const { checkpoint } = openTrained(run, 'weight')
    const bytes = [...base.tensors.values()].map((record) => [
      Buffer.compare(base.read(record), checkpoint.read(checkpoint.tensors.get(record.name)!)),
      record.name,
    ])
    expect(bytes.filter(([order]) => order !== 0).map(([, name]) => name)).toEqual(['transformer.wte.weight'])
    checkpoint.close()
    base.close()
  })
})

describe('an export', () => {
  it('copies the files of a folder that are not about weights', async () => {
    const base = openCheckpoint(readGolden('llama').checkpoint)
    const run = train(base, 'files')
    base.close()
    const own = readdirSync(readGolden('llama').checkpoint).filter((name) => /tokenizer|generation/.test(name))
    const { checkpoint } = openTrained(run, 'weight')
    await exportTransformers(checkpoint, join(run, 'out'))
    checkpoint.close()
    for (const name of own)
      expect(readFileSync(join(run, 'out', name))).toEqual(readFileSync(join(readGolden('llama').checkpoint, name)))
  })

  it('is stopped between tensors, and leaves nothing of its weights', async () => {
    const base = openCheckpoint(readGolden('llama').checkpoint)
    const abort = new AbortController()
    const out = join(root, 'stopped')
    const onProgress = (done: number) => {
      if (done > 0.3) abort.abort()
    }
    await expect(exportTransformers(base, out, { signal: abort.signal, onProgress })).rejects.toThrow(
      /stopped on request/,
    )
    expect(readdirSync(out)).toEqual([])
    base.close()
  })

  it('takes running averages where they were kept', () => {
    const base = openCheckpoint(readGolden('llama').checkpoint)
    const run = join(root, 'average')
    const weights = weightsOf(base)
    const averages = weightsOf(base, 0.25).map((tensor) => {
      return { ...tensor, kind: 'average' as const }
    })
    saveModelFolder(join(run, 'model'), base, new Set(weights.map(({ name }) => name)))
    const path = saveCheckpoint(join(run, 'checkpoints'), factsAt(1), [...weights, ...averages], { keep: 1 })
    for (const place of [run, path]) {
      const { checkpoint } = openTrained(place, 'average')
      const norm = checkpoint.read(checkpoint.tensors.get('model.norm.weight')!)
      expect(new Float32Array(norm.buffer)).toEqual(averages.find(({ name }) => name === 'output_norm.weight')!.data)
      checkpoint.close()
    }
    saveCheckpoint(join(run, 'checkpoints'), factsAt(2), weights, { keep: 1 })
    expect(() => openTrained(run, 'average')).toThrow(
      /^--average is '.*step-00000002.safetensors'; accepted: a checkpoint of a training/,
    )
    expect(() => openTrained(readGolden('llama').checkpoint, 'average')).toThrow(/^--average is '/)
    base.close()
  })
})
