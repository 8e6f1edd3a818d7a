import { statSync } from 'node:fs'
import { join } from 'node:path'
import type { Checkpoint } from '../formats/checkpoint.ts'
import type { QuantizeOptions } from '../quantize/quantizeModel.ts'
import { defineCommand, type Io } from './command.ts'
import { formatBytes } from './formatBytes.ts'
import { given } from './given.ts'

export const exportModel = defineCommand({
  name: 'export',
  summary: 'Writes a trained model, or any checkpoint, as a transformers folder or a GGUF file.',
  model:
    'the folder of a training with one stage, or of a stage (its newest checkpoint counts), one of its checkpoints, a .gguf file, ' +
    'a transformers folder, or a model of the hub',
  output: 'the folder or the .gguf file to write; files that are there are replaced',
  options: ['exportFormat', 'average', 'tensor', 'threads', 'json'],
  required: ['exportFormat'],
  explanation:
    "A transformers folder has config.json, model.safetensors in f32 by the names of transformers' own class, and the tokenizer, so " +
    'that AutoModelForCausalLM.from_pretrained loads it with the same logits. The formats of GGUF files are those of ck quantize.',
  examples: [
    'ck export run/shakespeare folder --format transformers',
    'ck export run/stages/tune model.gguf --format q4_k_m',
    'ck export run/shakespeare/train/checkpoints/step-00001000.safetensors model.gguf --format q8_0',
    'ck export model.gguf folder --format transformers',
  ],
  async run({ model: path, output: out, options, io }) {
    const { exportFormat: format = 'transformers', average, tensor: rules, threads, json } = options
    const { openTrained } = await import('../train/export/openTrained.ts')
    const { checkpoint, notes } = openTrained(path, average ? 'average' : 'weight')
    try {
      for (const note of notes) io.note(`ck: passed over: ${note}`)
      const written =
        format === 'transformers'
          ? await writeFolder(checkpoint, out, io)
          : await writeGguf(checkpoint, out, { recipe: format, ...given({ rules, threads }) }, io)
      io.progress.end()
      const result = { path: out, format, ...written }
      const { tensors, parameters, bytes } = written
      if (json) io.out(`${JSON.stringify(result, null, 1)}\n`)
      else io.out(`${out}: ${format}, ${tensors} tensors, ${parameters} values, ${formatBytes(bytes)}\n`)
      return 0
    } finally {
      checkpoint.close()
    }
  },
})

interface Written {
  readonly tensors: number
  readonly parameters: number
  readonly bytes: number
}

async function writeFolder(checkpoint: Checkpoint, out: string, io: Io): Promise<Written> {
  const { exportTransformers } = await import('../train/export/exportTransformers.ts')
  const onProgress = (done: number) => io.progress.show('export', done)
  const written = await exportTransformers(checkpoint, out, { signal: io.signal, onProgress })
  return { ...written, bytes: statSync(join(out, 'model.safetensors')).size }
}

async function writeGguf(checkpoint: Checkpoint, out: string, options: QuantizeOptions, io: Io): Promise<Written> {
  const { quantizeModel } = await import('../quantize/quantizeModel.ts')
  const onProgress = (done: number) => io.progress.show('export', done)
  const { tensors, parameters } = await quantizeModel(checkpoint, out, { ...options, signal: io.signal, onProgress })
  return { tensors: tensors.length, parameters, bytes: statSync(out).size }
}
